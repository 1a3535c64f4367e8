//! Messages on the developer's terminal.

pub(crate) fn heading(text: &str) {
    say(&format!("\n== {text}"));
}

#[expect(clippy::print_stderr, reason = "the developer's terminal")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stderr, reason = "the developer's terminal")]
pub(crate) fn complain(text: &str) {
    eprintln!("xtask: {text}");
}
