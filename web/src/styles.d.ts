// Style sheets that an element imports as text (see bundle.mjs).
declare module "*.css" {
  const text: string;
  export default text;
}
