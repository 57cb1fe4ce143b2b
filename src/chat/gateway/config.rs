//! `[verification]`: how numbers are verified, and who delivers the codes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chat_core::verification::{Policy, Region};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use serde::Deserialize;

use super::template::{Escape, Template, UnknownPlace};

/// `[verification]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationConfig {
    /// Who delivers one-time codes.
    pub gateway: GatewayKind,
    /// Who gets an account.
    pub registration: Registration,
    /// Two capital letters of ISO 3166-1: numbers without a country code are of this country.
    pub default_region: String,
    /// Whether codes go to numbers whose range is not handed out, as far as is known. Without it:
    /// by the console, where nobody pays for a message.
    pub accept_possible_numbers: Option<bool>,
    /// Codes in any hour, to all numbers together.
    pub codes_per_hour_max: usize,
    /// The message: `{code}`, `{domain}`.
    pub text: String,
    /// For `gateway = "webhook"`.
    pub webhook: Option<WebhookConfig>,
}

/// Who delivers one-time codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayKind {
    /// The log shows them.
    Console,
    /// A provider is told by HTTP.
    Webhook,
}

/// Who gets an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Who proves to hold a number.
    Open,
    /// Whom the operator adds.
    Closed,
}

/// `[verification.webhook]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to: `{number}` (`+15550100123`), `{digits}` (without the plus sign), `{code}`,
    /// `{text}`, `{secret}`.
    pub url: String,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// How the body is written.
    #[serde(default)]
    pub format: BodyFormat,
    /// The body, with the same placeholders; none for GET.
    #[serde(default)]
    pub body: String,
    /// Header fields, with the same placeholders.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Basic authentication: this name, and the secret as password.
    #[serde(default)]
    pub username: Option<String>,
    /// A file that holds the secret alone.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// PEM file of roots that the provider is checked against. Without it: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long the provider may take, in seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u32,
    /// How often a message is tried where the provider cannot be reached, or says it cannot.
    #[serde(default = "tries_max")]
    pub tries_max: u32,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `text/plain`.
    Text,
}

/// What is wrong with `[verification]`.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct VerificationConfigError {
    /// The key, below the section.
    pub key: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

/// A webhook whose configuration holds.
#[derive(Clone)]
pub struct WebhookPlan {
    pub(super) url: Template,
    pub(super) method: Method,
    pub(super) format: BodyFormat,
    pub(super) body: Template,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) username: Option<String>,
    pub(super) secret: String,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self {
            gateway: GatewayKind::Console,
            registration: Registration::Open,
            default_region: String::new(),
            accept_possible_numbers: None,
            codes_per_hour_max: Policy::default().codes_per_hour_max,
            text: TEXT_DEFAULT.to_owned(),
            webhook: None,
        }
    }
}

impl VerificationConfig {
    /// Makes relative paths ones below `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        let Some(webhook) = &mut self.webhook else { return };
        for path in [&mut webhook.secret_file, &mut webhook.ca_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// Says what is wrong. Reads the secret's file.
    ///
    /// # Errors
    /// The first fault.
    pub fn validate(&self) -> Result<(), VerificationConfigError> {
        self.region()?;
        self.text_template()?;
        self.webhook_plan().map(drop)
    }

    /// Of which country numbers without a country code are.
    ///
    /// # Errors
    /// Where there is no such country.
    pub fn region(&self) -> Result<Option<Region>, VerificationConfigError> {
        let name = self.default_region.as_str();
        match name.parse() {
            Ok(region) => Ok(Some(region)),
            Err(()) if name.is_empty() => Ok(None),
            Err(()) => Err(VerificationConfigError {
                key: "default_region",
                reason: format!(
                    "{name:?} is no country; write two capital letters, such as \"DE\""
                ),
            }),
        }
    }

    /// What the registrar goes by.
    pub fn policy(&self) -> Policy {
        let is_free = self.gateway == GatewayKind::Console;
        Policy {
            codes_per_hour_max: self.codes_per_hour_max,
            accepts_possible_numbers: self.accept_possible_numbers.unwrap_or(is_free),
        }
    }

    pub(super) fn text_template(&self) -> Result<Template, VerificationConfigError> {
        let text = Template::parse(&self.text, &["code", "domain"]).map_err(at("text"))?;
        match text.has("code") {
            true => Ok(text),
            false => Err(wrong("text", "it must have {code}")),
        }
    }

    /// The webhook, where codes go by one.
    ///
    /// # Errors
    /// The first fault.
    pub fn webhook_plan(&self) -> Result<Option<WebhookPlan>, VerificationConfigError> {
        match (self.gateway, &self.webhook) {
            (GatewayKind::Console, _) => Ok(None),
            (GatewayKind::Webhook, Some(webhook)) => webhook.plan().map(Some),
            (GatewayKind::Webhook, None) => {
                Err(wrong("gateway", "a webhook needs its section [verification.webhook]"))
            }
        }
    }
}

impl WebhookConfig {
    fn plan(&self) -> Result<WebhookPlan, VerificationConfigError> {
        let template = |text: &str| Template::parse(text, PLACES);
        let url = template(&self.url).map_err(at("webhook.url"))?;
        let body = template(&self.body).map_err(at("webhook.body"))?;
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let reason =
                |reason: String| VerificationConfigError { key: "webhook.headers", reason };
            let known = HeaderName::try_from(name.as_str());
            let name = known.map_err(|_| reason(format!("{name:?} is no header field")))?;
            headers.push((name, template(value).map_err(at("webhook.headers"))?));
        }
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|_| wrong("webhook.method", "it is no method"))?;
        let secret = self.secret_file.as_deref().map_or(Ok(String::new()), read_secret)?;
        let username = self.username.clone();
        let plan =
            WebhookPlan { url, method, format: self.format, body, headers, username, secret };
        plan.try_out()?;
        if self.timeout_s == 0 || self.tries_max == 0 {
            return Err(wrong("webhook.timeout_s", "it and tries_max must be at least 1"));
        }
        Ok(plan)
    }
}

impl WebhookPlan {
    /// Fills everything once with values that need escapes.
    fn try_out(&self) -> Result<(), VerificationConfigError> {
        let values = [
            ("number", "+15550100123"),
            ("digits", "15550100123"),
            ("code", "012345"),
            ("text", "012345 is \"it\"\n"),
            ("secret", self.secret.as_str()),
        ];
        let url: Option<Uri> = self.url.fill(&values, Escape::Percent).parse().ok();
        let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
        if !url.is_some_and(|url| is_http(&url) && url.authority().is_some()) {
            return Err(wrong("webhook.url", "it must begin with https:// or http:// and a host"));
        }
        for (name, value) in &self.headers {
            let value = value.fill(&values, Escape::None).replace('\n', " ");
            if HeaderValue::try_from(value).is_err() {
                let reason = format!("{name} has a value that no header field may have");
                return Err(VerificationConfigError { key: "webhook.headers", reason });
            }
        }
        let body = self.body.fill(&values, self.format.escape());
        let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        if self.format == BodyFormat::Json && !body.is_empty() && !is_json() {
            return Err(wrong("webhook.body", "it is no JSON; placeholders stand within quotes"));
        }
        Ok(())
    }
}

impl BodyFormat {
    pub(super) fn escape(self) -> Escape {
        match self {
            Self::Json => Escape::Json,
            Self::Form => Escape::Percent,
            Self::Text => Escape::None,
        }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Text => "text/plain; charset=utf-8",
        })
    }
}

fn read_secret(path: &Path) -> Result<String, VerificationConfigError> {
    let text = fs::read_to_string(path).map_err(|error| VerificationConfigError {
        key: "webhook.secret_file",
        reason: format!("{} cannot be read: {error}", path.display()),
    })?;
    Ok(text.trim().to_owned())
}

fn at(key: &'static str) -> impl Fn(UnknownPlace) -> VerificationConfigError {
    move |error| VerificationConfigError { key, reason: error.to_string() }
}

fn wrong(key: &'static str, reason: &str) -> VerificationConfigError {
    VerificationConfigError { key, reason: reason.to_owned() }
}

fn post() -> String {
    "POST".to_owned()
}

fn timeout_s() -> u32 {
    10
}

fn tries_max() -> u32 {
    3
}

/// What webhooks may name.
const PLACES: &[&str] = &["number", "digits", "code", "text", "secret"];
/// The last line lets browsers fill the code in (WICG: origin-bound one-time codes).
const TEXT_DEFAULT: &str =
    "{code} is your code for {domain}. Give it to nobody.\n\n@{domain} #{code}";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str, expected: &str) {
        let config: VerificationConfig = toml::from_str(toml).unwrap();
        let found =
            config.validate().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn what_providers_want_can_be_said() {
        check("", "fine");
        check(
            r#"gateway = "webhook"
            [webhook]
            url = "https://sms.example/{digits}"
            headers = { authorization = "Bearer {secret}" }
            body = '{"messages":[{"to":"{number}","text":"{text}"}]}'"#,
            "fine",
        );
        check(
            r#"gateway = "webhook"
            [webhook]
            url = "http://127.0.0.1:9999/2010/Messages"
            format = "form"
            username = "AC1"
            body = "To={number}&From=%2B15550100100&Body={text}""#,
            "fine",
        );
    }

    #[test]
    fn faults_are_named() {
        check("default_region = \"de\"", "default_region: \"de\" is no country");
        check("text = \"no code\"", "text: it must have {code}");
        check("text = \"{code} {nunber}\"", "text: {nunber} is no placeholder");
        check("gateway = \"webhook\"", "gateway: a webhook needs its section");
        let webhook = |rest: &str| format!("gateway = \"webhook\"\n[webhook]\n{rest}");
        check(&webhook("url = \"sms.example\""), "webhook.url: it must begin");
        let url = "url = \"https://sms.example\"\n";
        check(
            &webhook(&format!("{url}body = '{{\"a\":{{text}}}}'")),
            "webhook.body: it is no JSON",
        );
        check(
            &webhook(&format!("{url}headers = {{ \"a b\" = \"\" }}")),
            "webhook.headers: \"a b\"",
        );
        check(
            &webhook(&format!("{url}secret_file = \"/nowhere\"")),
            "webhook.secret_file: /nowhere",
        );
        check(&webhook(&format!("{url}timeout_s = 0")), "webhook.timeout_s");
    }

    #[test]
    fn only_the_console_takes_possible_numbers_by_itself() {
        let mut config = VerificationConfig::default();
        assert!(config.policy().accepts_possible_numbers);
        config.gateway = GatewayKind::Webhook;
        assert!(!config.policy().accepts_possible_numbers);
        config.accept_possible_numbers = Some(true);
        assert!(config.policy().accepts_possible_numbers);
    }
}
