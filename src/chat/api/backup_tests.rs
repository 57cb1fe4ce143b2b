//! The examples of `docs/protocol/backup.md`, replayed; and passwords, by the app's half of OPAQUE.

use data_encoding::BASE64URL_NOPAD;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, RegistrationResponse,
};

use super::*;
use crate::chat::backups::{Random, Suite};
use crate::chat::objects::ObjectOrder;

const OBJECT: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

/// Each account has one object, [`OBJECT`].
pub fn object_keeper() -> mpsc::Sender<ObjectOrder> {
    let (orders, mut came) = mpsc::channel::<ObjectOrder>(4);
    tokio::spawn(async move {
        while let Some(order) = came.recv().await {
            let is_there = |digest: media_store::Digest| digest.to_string() == OBJECT;
            match order {
                ObjectOrder::Keep { digest, reply, .. } => {
                    let _ = reply.send(is_there(digest).then_some(1_234_567));
                }
                ObjectOrder::Refer { digest, reply, .. } => {
                    let _ = reply.send(is_there(digest));
                }
                ObjectOrder::Drop { .. } => {}
            }
        }
    });
    orders
}

impl Bench {
    /// A message of OPAQUE; the answer's status and content.
    async fn tell(&mut self, method: &str, path: &str, message: &[u8]) -> (u16, Value) {
        let message = BASE64URL_NOPAD.encode(message);
        let head = format!("{method} /api/v1/backup/{path}\nAuthorization: Bearer …");
        let content = format!("{{\"message\":\"{message}\"}}");
        let text = format!("{head}\nContent-Type: application/json\n\n{content}");
        let response = self.ask(&text).await;
        (response.status.as_u16(), serde_json::from_slice(&response.content).unwrap_or_default())
    }

    /// A try as the app does it: the answer to its beginning, and whether it was right.
    async fn try_password(&mut self, password: &str) -> (u16, Value, bool) {
        let started = ClientLogin::<Suite>::start(&mut Random, password.as_bytes()).unwrap();
        let (status, told) = self.tell("POST", "tries", &started.message.serialize()).await;
        let Some(message) = told["message"].as_str() else { return (status, told, false) };
        let message = BASE64URL_NOPAD.decode(message.as_bytes()).unwrap();
        let message = CredentialResponse::deserialize(&message).unwrap();
        let parameters = ClientLoginFinishParameters::default();
        let ended = started.state.finish(&mut Random, password.as_bytes(), message, parameters);
        let Ok(ended) = ended else { return (status, told, false) };
        let (done, _) = self.tell("PUT", "tries", &ended.message.serialize()).await;
        (status, told, done == 204)
    }

    async fn set_password(&mut self, password: &str) {
        let started = ClientRegistration::<Suite>::start(&mut Random, password.as_bytes()).unwrap();
        let (_, told) = self.tell("POST", "password", &started.message.serialize()).await;
        let message = told["message"].as_str().unwrap().as_bytes();
        let message = BASE64URL_NOPAD.decode(message).unwrap();
        let message = RegistrationResponse::deserialize(&message).unwrap();
        let parameters = ClientRegistrationFinishParameters::default();
        let ended = started.state.finish(&mut Random, password.as_bytes(), message, parameters);
        let record = ended.unwrap().message.serialize();
        let (status, told) = self.tell("PUT", "password", &record).await;
        assert_eq!(status, 204, "{told}");
    }
}

#[tokio::test]
async fn the_examples_of_a_backup_are_true() {
    let text = include_str!("../../../docs/protocol/backup.md");
    let mut blocks =
        text.split("```http\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let mut count = 0;
    while let (Some(request), Some(expected)) = (blocks.next(), blocks.next()) {
        let response = bench.ask(request.trim_end()).await;
        bench.check(&response, expected.trim_end());
        count += 1;
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn a_backups_password_has_ten_tries_and_then_it_is_gone() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    assert_eq!(bench.try_password("right").await.0, 404);
    bench.set_password("right").await;
    for left in (5..10).rev() {
        let (status, told, is_right) = bench.try_password("wrong").await;
        assert_eq!((status, &told["tries"], is_right), (200, &Value::from(left), false));
    }
    // A right one gives all of them back.
    assert!(bench.try_password("right").await.2);
    for left in (1..10).rev() {
        assert_eq!(bench.try_password("wrong").await.1["tries"], left);
    }
    // The last one may be right.
    let (_, told, is_right) = bench.try_password("right").await;
    assert_eq!((&told["tries"], is_right), (&Value::from(0), true));
    for _ in 0..10 {
        assert!(!bench.try_password("wrong").await.2);
    }
    let (status, told, _) = bench.try_password("right").await;
    assert_eq!((status, &told["type"]), (404, &"urn:whimbrel:problem:no-backup-password".into()));
}

#[tokio::test]
async fn tries_are_ended_once_and_not_made_up() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    assert_eq!(bench.tell("PUT", "password", &[0; 192]).await.0, 409);
    assert_eq!(bench.tell("PUT", "tries", &[0; 64]).await.0, 409);
    assert_eq!(bench.tell("POST", "password", b"nonsense").await.0, 400);
    bench.set_password("right").await;
    assert_eq!(bench.tell("POST", "tries", b"nonsense").await.0, 400);
    let started = ClientLogin::<Suite>::start(&mut Random, b"right").unwrap();
    bench.tell("POST", "tries", &started.message.serialize()).await;
    assert_eq!(bench.tell("PUT", "tries", &[7; 64]).await.0, 403);
    assert_eq!(bench.tell("PUT", "tries", &[7; 64]).await.0, 409);
    // It is in no export: whoever has it guesses without being counted.
    let export = bench.ask("GET /api/v1/account/export\nAuthorization: Bearer …").await;
    let export = String::from_utf8_lossy(&export.content).into_owned();
    assert!(!export.contains("urn:whimbrel:backup:0"), "{export}");
}
