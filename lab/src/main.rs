//! Bad networks on one machine.
mod browser;
#[path = "../../crates/server/tests/browser/chromium.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod chromium;
mod clock;
mod error;
mod link;
mod namespace;
mod network;
mod program;
mod recording;
mod visit;
#[path = "../../crates/server/tests/browser/window.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod window;
#[tokio::main]
async fn main() {
    let network = network::Network::build(1).expect("a");
    let mut program = program::Program::start(&network.server).expect("b");
    let a = browser::Browser::launch(&network.patient).await.expect("b");
    let b = browser::Browser::launch(&network.provider).await.expect("b");
    let visit = match visit::Visit::prepare(&mut program, [&a, &b], visit::Camera::WHOLE).await {
        Ok(v) => v,
        Err(e) => {
            println!("{e}\n{}", program.log_tail(40));
            return;
        }
    };
    visit.start().await.expect("start");
    let since = clock::wall();
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    for page in visit.pages() {
        let r = page.recording(since).await.expect("r");
        println!(
            "{} samples {} last {:?}\n{:?} {:?} resumed {:?} kbit/s {}",
            page.role,
            r.samples.len(),
            r.samples.last(),
            r.stages,
            r.texts,
            r.resumed(|s| s.frames, since),
            r.rose(|s| s.bytes, since + 10000.0, since + 15000.0) * 8.0 / 5000.0
        );
        println!("{}", page.eval::<String>("await probe.protocol()").await.expect("p"));
    }
    println!("{}", program.log_tail(40));
}
