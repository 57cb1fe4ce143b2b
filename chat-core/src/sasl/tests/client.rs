//! A SCRAM client that says what it is told to say.

use std::num::NonZeroU32;

use data_encoding::BASE64;

use super::{ScramHash, base64};

pub struct Client {
    pub hash: ScramHash,
    pub gs2_header: String,
    pub binding: Vec<u8>,
    pub username: String,
    pub password: String,
    pub nonce: String,
}

impl Client {
    /// Says `n`: no channel binding.
    pub fn new(hash: ScramHash, username: &str, password: &str) -> Self {
        Self {
            hash,
            gs2_header: "n,,".into(),
            binding: Vec::new(),
            username: username.into(),
            password: password.into(),
            nonce: "client-nonce".into(),
        }
    }

    pub fn bound(self, name: &str, data: &[u8]) -> Self {
        Self { gs2_header: format!("p={name},,"), binding: data.into(), ..self }
    }

    pub fn first(&self) -> String {
        format!("{}{}", self.gs2_header, self.bare())
    }

    fn bare(&self) -> String {
        let username = self.username.replace('=', "=3D").replace(',', "=2C");
        format!("n={username},r={}", self.nonce)
    }

    /// The last message, and the signature that the server must answer.
    pub fn last(&self, server_first: &str) -> (String, String) {
        let value = |name: &str| {
            let mut fields = server_first.split(',');
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).unwrap()
        };
        let salt = BASE64.decode(value("s").as_bytes()).unwrap();
        let iterations: NonZeroU32 = value("i").parse().unwrap();
        let bound = [self.gs2_header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", base64(&bound), value("r"));
        let auth_message = format!("{},{server_first},{without_proof}", self.bare());

        let password = stringprep::saslprep(&self.password).unwrap();
        let salted = self.hash.salted_password(password.as_bytes(), &salt, iterations);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let stored_key = self.hash.digest(&client_key);
        let signature = self.hash.hmac(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let server_key = self.hash.hmac(&salted, b"Server Key");
        let server_signature = self.hash.hmac(&server_key, auth_message.as_bytes());
        (
            format!("{without_proof},p={}", base64(&proof)),
            format!("v={}", base64(&server_signature)),
        )
    }
}
