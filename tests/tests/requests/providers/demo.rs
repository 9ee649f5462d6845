//! `clearview --script FILE`: what a provider's outage looks like, without a provider.

use tests::client::Client;
use tests::program::LocalServer;

#[tokio::test]
async fn a_script_makes_the_local_servers_provider_fail_and_heal() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("script.json");
    let script = r#"{"steps":[{"do":"answer"},{"do":"status","status":503,"times":2}]}"#;
    std::fs::write(&file, script).unwrap();
    let server = LocalServer::start(&["--script", file.to_str().unwrap()], &[]).await;
    let client = Client::to(server.address);
    let ann = client.register("ann").await;
    let mut sources = Vec::new();
    for text in ["one", "two", "three", "four"] {
        let answer = client.classify(&ann, "hide crypto", &[text]).await;
        sources.push(answer.body["results"][0]["source"].as_str().unwrap().to_owned());
    }
    assert_eq!(sources, ["model", "local", "local", "model"]);
    assert!(server.interrupt().await.success());
}
