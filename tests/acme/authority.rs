//! A small ACME authority (RFC 8555) in this process: it verifies each signature, nonce and URL,
//! looks for the answers over the network, and signs with a root of its own.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD as BASE64;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whimbrel::tls::{Certificates, Mode, TlsConfig, TlsStream};

/// What becomes of an order.
#[derive(Clone, Copy)]
pub enum Plan {
    /// A certificate for 90 days of which `age` are over.
    Issue { age: Duration },
    /// Refused for now.
    RateLimit { retry_after_s: u64 },
    /// The authority looks for the answer at a port where nobody listens.
    WrongHost,
}

/// A running authority.
#[derive(Clone)]
pub struct Authority {
    pub directory: String,
    pub ca_file: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    base: String,
    /// Where the edge answers challenges, once that is known.
    edge_port: Option<u16>,
    plans: VecDeque<Plan>,
    issuer: Issuer<'static, KeyPair>,
    nonces: HashSet<String>,
    nonces_made: u64,
    /// By URL.
    accounts: HashMap<String, Jwk>,
    accounts_made: usize,
    orders: Vec<Order>,
}

#[derive(Clone)]
struct Jwk {
    x: String,
    y: String,
}

struct Order {
    plan: Plan,
    names: Vec<String>,
    status: &'static str,
    fault: Option<Value>,
    certificate: Option<String>,
}

type Answer = Response<Full<Bytes>>;

impl Authority {
    pub async fn start(folder: &Path, plans: Vec<Plan>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let config = own_certificate(folder, &issuer);
        let state = Arc::new(Mutex::new(State {
            base: base.clone(),
            edge_port: None,
            plans: plans.into(),
            issuer,
            nonces: HashSet::new(),
            nonces_made: 0,
            accounts: HashMap::new(),
            accounts_made: 0,
            orders: Vec::new(),
        }));
        tokio::spawn(serve(listener, config, Arc::clone(&state)));
        Self { directory: format!("{base}/directory"), ca_file, state }
    }

    /// Says where the edge answers challenges; the authority waits for that.
    pub fn look_at(&self, edge_port: u16) {
        self.state.lock().unwrap().edge_port = Some(edge_port);
    }

    pub fn orders(&self) -> usize {
        self.state.lock().unwrap().orders.len()
    }

    pub fn accounts(&self) -> usize {
        self.state.lock().unwrap().accounts_made
    }

    pub fn forget_accounts(&self) {
        self.state.lock().unwrap().accounts.clear();
    }
}

fn own_certificate(folder: &Path, issuer: &Issuer<'_, KeyPair>) -> Arc<rustls::ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, private) = (folder.join("authority.pem"), folder.join("authority-key.pem"));
    std::fs::write(&cert, params.signed_by(&key, issuer).unwrap().pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let config = TlsConfig {
        mode: Mode::Files,
        cert: Some(cert),
        key: Some(private),
        ..TlsConfig::default()
    };
    Certificates::open(&config, "127.0.0.1", folder).unwrap().server_config().unwrap()
}

async fn serve(
    listener: tokio::net::TcpListener,
    config: Arc<rustls::ServerConfig>,
    state: Arc<Mutex<State>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (config, state) = (Arc::clone(&config), Arc::clone(&state));
        tokio::spawn(async move {
            let stream = TlsStream::accept(config, socket).await.unwrap();
            let service = hyper::service::service_fn(|request| answer(request, &state));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Result<Answer, hyper::Error> {
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST {
        let mut state = state.lock().unwrap();
        return Ok(match path.as_str() {
            "/directory" => state.directory(),
            _ => state.reply(StatusCode::OK, &json!({}), None),
        });
    }
    let body = request.into_body().collect().await?.to_bytes();
    let verified = state.lock().unwrap().verify(&path, &body);
    let (account, payload) = match verified {
        Ok(verified) => verified,
        Err(problem) => return Ok(state.lock().unwrap().problem(problem)),
    };
    if let Some(number) = path.strip_prefix("/challenge/") {
        validate(number.parse().unwrap(), &account, state).await;
    }
    Ok(state.lock().unwrap().handle(&path, account, &payload))
}

/// Looks for the answer under the name, as 8.3 has it.
async fn validate(number: usize, account: &Jwk, state: &Mutex<State>) {
    let edge_port = loop {
        if let Some(port) = state.lock().unwrap().edge_port {
            break port;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let (port, name) = {
        let order = &state.lock().unwrap().orders[number];
        let port = if matches!(order.plan, Plan::WrongHost) { 1 } else { edge_port };
        (port, order.names[0].clone())
    };
    let expected = format!("token-{number}.{}", account.thumbprint());
    let found = fetch(port, &name, &format!("/.well-known/acme-challenge/token-{number}")).await;
    let mut state = state.lock().unwrap();
    let order = &mut state.orders[number];
    match found {
        Ok(body) if body == expected => order.status = "ready",
        found => {
            order.status = "invalid";
            let detail = format!("{name} answered {found:?}");
            order.fault =
                Some(json!({ "type": "urn:ietf:params:acme:error:connection", "detail": detail }));
        }
    }
}

async fn fetch(port: u16, host: &str, path: &str) -> std::io::Result<String> {
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let is_found = head.split(' ').nth(1) == Some("200");
    is_found.then(|| body.to_owned()).ok_or(std::io::ErrorKind::NotFound.into())
}

impl State {
    fn directory(&mut self) -> Answer {
        let url = |path: &str| format!("{}/{path}", self.base);
        let directory = json!({
            "newNonce": url("nonce"),
            "newAccount": url("account"),
            "newOrder": url("order"),
            "revokeCert": url("revoke"),
            "keyChange": url("key-change"),
        });
        self.reply(StatusCode::OK, &directory, None)
    }

    /// Checks signature, URL and nonce (6.2 to 6.5); returns the account's key and the payload.
    fn verify(&mut self, path: &str, body: &[u8]) -> Result<(Jwk, Value), Value> {
        let problem = |kind: &str| json!({ "type": format!("urn:ietf:params:acme:error:{kind}") });
        let jws: Value = serde_json::from_slice(body).map_err(|_| problem("malformed"))?;
        let part = |name: &str| jws[name].as_str().unwrap_or_default().to_owned();
        let header: Value = serde_json::from_slice(&decode(&part("protected"))).unwrap();
        let key = match header["kid"].as_str() {
            Some(kid) => self.accounts.get(kid).cloned(),
            None => Some(Jwk::parse(&header["jwk"])),
        };
        let key = key.ok_or_else(|| problem("accountDoesNotExist"))?;
        let signed = format!("{}.{}", part("protected"), part("payload"));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
            .verify(signed.as_bytes(), &decode(&part("signature")))
            .map_err(|_| problem("malformed"))?;
        if header["url"] != format!("{}{path}", self.base) {
            return Err(problem("unauthorized"));
        }
        // The first nonce is refused once, as one that grew too old would be.
        let nonce = header["nonce"].as_str().unwrap_or_default();
        if !self.nonces.remove(nonce) || nonce == "nonce-2" {
            return Err(problem("badNonce"));
        }
        let payload = decode(&part("payload"));
        Ok((key, serde_json::from_slice(&payload).unwrap_or(Value::Null)))
    }

    fn handle(&mut self, path: &str, account: Jwk, payload: &Value) -> Answer {
        let (kind, number) = path[1..].split_once('/').unwrap_or((&path[1..], "0"));
        let number: usize = number.parse().unwrap();
        match (kind, path.matches('/').count()) {
            ("account", 1) => self.new_account(account, payload),
            ("account", _) => self.reply(StatusCode::OK, &json!({ "status": "valid" }), None),
            ("order", 1) => self.new_order(payload),
            ("order", _) => self.order(number, StatusCode::OK),
            ("authorization" | "challenge", _) => self.authorization(kind, number),
            ("finalize", _) => self.finalize(number, payload),
            ("certificate", _) => {
                let chain = self.orders[number].certificate.clone().unwrap();
                self.respond(StatusCode::OK, chain.into_bytes(), None)
            }
            _ => self.reply(StatusCode::NOT_FOUND, &json!({}), None),
        }
    }

    fn new_account(&mut self, key: Jwk, payload: &Value) -> Answer {
        assert_eq!(payload["termsOfServiceAgreed"], true);
        assert_eq!(payload["contact"][0], "mailto:admin@media.example");
        self.accounts_made += 1;
        let url = format!("{}/account/{}", self.base, self.accounts_made);
        self.accounts.insert(url.clone(), key);
        self.reply(StatusCode::CREATED, &json!({ "status": "valid" }), Some(("Location", url)))
    }

    fn new_order(&mut self, payload: &Value) -> Answer {
        let plan = self.plans.pop_front().expect("an order that the test did not plan");
        let names = payload["identifiers"].as_array().unwrap().iter();
        let names = names.map(|name| name["value"].as_str().unwrap().to_owned()).collect();
        self.orders.push(Order { plan, names, status: "pending", fault: None, certificate: None });
        if let Plan::RateLimit { retry_after_s } = plan {
            let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited" });
            let wait = ("Retry-After", retry_after_s.to_string());
            return self.reply(StatusCode::TOO_MANY_REQUESTS, &problem, Some(wait));
        }
        self.order(self.orders.len() - 1, StatusCode::CREATED)
    }

    fn order(&mut self, number: usize, status: StatusCode) -> Answer {
        let url = |kind: &str| format!("{}/{kind}/{number}", self.base);
        let order = &self.orders[number];
        let body = json!({
            "status": order.status,
            "identifiers": order.names.iter().map(identifier).collect::<Vec<_>>(),
            "authorizations": [url("authorization")],
            "finalize": url("finalize"),
            "certificate": order.certificate.as_ref().map(|_| url("certificate")),
        });
        let location = url("order");
        self.reply(status, &body, Some(("Location", location)))
    }

    fn authorization(&mut self, kind: &str, number: usize) -> Answer {
        let order = &self.orders[number];
        let status = match order.status {
            "pending" | "invalid" => order.status,
            _ => "valid",
        };
        let mut challenge = json!({
            "type": "http-01",
            "url": format!("{}/challenge/{number}", self.base),
            "token": format!("token-{number}"),
            "status": status,
        });
        if let Some(fault) = &order.fault {
            challenge["error"] = fault.clone();
        }
        let name = identifier(&order.names[0]);
        let whole = json!({ "identifier": name, "status": status, "challenges": [challenge] });
        let body = if kind == "challenge" { &whole["challenges"][0] } else { &whole };
        self.reply(StatusCode::OK, body, None)
    }

    fn finalize(&mut self, number: usize, payload: &Value) -> Answer {
        let order = &mut self.orders[number];
        assert_eq!(order.status, "ready");
        let request = decode(payload["csr"].as_str().unwrap()).into();
        let mut request = CertificateSigningRequestParams::from_der(&request).unwrap();
        let names: Vec<_> = order.names.iter().map(|name| dns_name(name)).collect();
        assert_eq!(request.params.subject_alt_names, names);
        let Plan::Issue { age } = order.plan else { panic!("finalised without proof") };
        let begin = SystemTime::now() - age - Duration::from_secs(60);
        request.params.not_before = begin.into();
        request.params.not_after = (begin + Duration::from_secs(90 * 24 * 3600)).into();
        request.params.serial_number = Some((number as u64 + 1).into());
        order.certificate = Some(request.signed_by(&self.issuer).unwrap().pem());
        order.status = "valid";
        self.order(number, StatusCode::OK)
    }

    fn problem(&mut self, problem: Value) -> Answer {
        self.reply(StatusCode::BAD_REQUEST, &problem, None)
    }

    fn reply(&mut self, status: StatusCode, body: &Value, field: Option<(&str, String)>) -> Answer {
        self.respond(status, serde_json::to_vec(body).unwrap(), field)
    }

    fn respond(
        &mut self,
        status: StatusCode,
        body: Vec<u8>,
        field: Option<(&str, String)>,
    ) -> Answer {
        self.nonces_made += 1;
        let nonce = format!("nonce-{}", self.nonces_made);
        self.nonces.insert(nonce.clone());
        let mut answer = Response::builder().status(status).header("Replay-Nonce", nonce);
        if let Some((name, value)) = field {
            answer = answer.header(name, value);
        }
        answer.body(Full::new(body.into())).unwrap()
    }
}

impl Jwk {
    fn parse(jwk: &Value) -> Self {
        let part = |name: &str| jwk[name].as_str().unwrap().to_owned();
        Self { x: part("x"), y: part("y") }
    }

    fn point(&self) -> Vec<u8> {
        [vec![4], decode(&self.x), decode(&self.y)].concat()
    }

    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let canonical =
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64.encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }
}

fn identifier(name: &String) -> Value {
    json!({ "type": "dns", "value": name })
}

fn dns_name(name: &str) -> rcgen::SanType {
    rcgen::SanType::DnsName(name.try_into().unwrap())
}

fn decode(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).unwrap()
}
