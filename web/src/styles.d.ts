// Stylesheets that an element takes as text (see bundle.mjs).
declare module "*.css" {
  const text: string;
  export default text;
}
