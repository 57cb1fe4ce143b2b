//! One attempt to log in, under RFC 6120's profile of SASL or under XEP-0388's.

use super::config::{FAILURES_MAX, PENALTY_MS};
use super::login::{Login, LoginName, Ready, SessionRequest};
use super::offering::Offering;
use super::opening::Opening;
use super::request::Authenticate;
use super::shared::Shared;
use super::state::{Next, State, violation};
use super::{LookedUp, StreamOutput, features, sasl1, sasl2};
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::sasl::{
    self, Mechanism, Offer, PasswordMark, SaslCondition, SaslFailure, ServerNonce, Step, Success,
    Terms, TokenWish, Undecided,
};
use crate::stanza::Stanza;
use crate::xml::Element;

/// Which profile of SASL is spoken.
#[derive(Debug)]
pub(super) enum Profile {
    /// RFC 6120 6.
    Sasl1,
    /// XEP-0388, with what the client asked for at once.
    Sasl2(Box<Authenticate>),
}

impl Profile {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Sasl1 => ns::SASL,
            Self::Sasl2(_) => ns::SASL2,
        }
    }

    fn challenge(&self, data: &[u8]) -> Element {
        match self {
            Self::Sasl1 => sasl1::challenge(data),
            Self::Sasl2(_) => sasl2::challenge(data),
        }
    }

    fn failure(&self, failure: SaslFailure) -> Element {
        match self {
            Self::Sasl1 => sasl1::failure(failure),
            Self::Sasl2(_) => sasl2::failure(failure),
        }
    }

    fn tokens(&self) -> TokenWish {
        match self {
            Self::Sasl1 => TokenWish::default(),
            Self::Sasl2(request) => request.tokens,
        }
    }

    fn device(&self) -> Option<String> {
        match self {
            Self::Sasl1 => None,
            Self::Sasl2(request) => request.user_agent.as_ref()?.id.clone(),
        }
    }
}

/// What is known of an attempt so far.
#[derive(Debug)]
pub(super) struct Attempt {
    profile: Profile,
    offer: Offer,
    /// As the client wrote it.
    username: Option<String>,
    /// What that is, if it can be the name of an account.
    name: Option<LoginName>,
    authzid: Option<String>,
}

impl Attempt {
    pub fn new(profile: Profile, shared: &Shared) -> Self {
        let offer = match profile {
            Profile::Sasl1 => sasl1::offer(&shared.config, &shared.channel),
            Profile::Sasl2(_) => sasl2::offer(&shared.config, &shared.channel),
        };
        Self { profile, offer, username: None, name: None, authzid: None }
    }

    pub fn start(self, shared: &mut Shared, mechanism: &str, initial: Option<&[u8]>) -> Next {
        let Some(mechanism) = self.offer.find(mechanism) else {
            return self.fail(shared, SaslCondition::InvalidMechanism.into());
        };
        // XEP-0484 3.4: a token is shown as such.
        let is_fast = matches!(&self.profile, Profile::Sasl2(request) if request.is_fast);
        if is_fast != matches!(mechanism, Mechanism::HashedToken(_)) {
            let failure = SaslFailure::malformed("<fast/> belongs to a mechanism for tokens");
            return self.fail(shared, failure);
        }
        let nonce = ServerNonce::draw(&mut shared.random());
        let step = sasl::start(mechanism, initial, nonce, &self.terms(shared));
        self.take_step(shared, mechanism, None, step)
    }

    /// Does what a step of the exchange asks for.
    fn take_step(
        mut self,
        shared: &mut Shared,
        mechanism: Mechanism,
        account: Option<AccountId>,
        step: Step,
    ) -> Next {
        match step {
            Step::LookUp(look_up) => {
                self.username = Some(look_up.username().into());
                self.authzid = look_up.authzid().map(Into::into);
                if let Err(failure) = self.check_from(shared) {
                    return self.fail(shared, failure);
                }
                self.name = LoginName::parse(look_up.username(), shared.config.region);
                let state = LookingUp { attempt: self, mechanism, look_up };
                state.start(shared)
            }
            Step::Challenge(challenge) => {
                shared.send(&self.profile.challenge(challenge.bytes()));
                let state = Challenged { attempt: self, mechanism, account, challenge };
                Ok(State::Challenged(Box::new(state)))
            }
            Step::VerifyPlain(password, undecided) => {
                shared.output(StreamOutput::VerifyPassword(password));
                let state = Verifying { attempt: self, mechanism, account, undecided };
                Ok(State::Verifying(Box::new(state)))
            }
            Step::Success(success) => self.succeed(shared, mechanism, account, success),
            Step::Failure(failure) => self.fail(shared, failure),
        }
    }

    /// XEP-0388 2.3: whom the client names in the header, it must not deny here.
    fn check_from(&self, shared: &Shared) -> Result<(), SaslFailure> {
        let (Some(from), Some(authzid)) = (&shared.from, &self.authzid) else { return Ok(()) };
        let authzid = Jid::parse(authzid).ok();
        if authzid.is_some_and(|authzid| authzid.bare_str() == from.bare_str()) {
            return Ok(());
        }
        Err(SaslCondition::InvalidAuthzid.into())
    }

    fn succeed(
        self,
        shared: &mut Shared,
        mechanism: Mechanism,
        account: Option<AccountId>,
        success: Success,
    ) -> Next {
        // An exchange that began without an account cannot succeed; this only says so again.
        let Some(account) = account else {
            return self.fail(shared, SaslFailure::NOT_AUTHORIZED);
        };
        // Only now: before, it would tell strangers which number belongs to which account.
        if !self.may_act_as(shared, account) {
            return self.fail(shared, SaslCondition::InvalidAuthzid.into());
        }
        let (user_agent, request) = match &self.profile {
            Profile::Sasl1 => (None, SessionRequest::Legacy),
            Profile::Sasl2(request) => {
                (request.user_agent.clone(), SessionRequest::Inline(request.inline.clone()))
            }
        };
        let tokens = self.profile.tokens();
        let credential = success.credential;
        let login = Login { account, credential, mechanism, user_agent, tokens, request };
        shared.output(StreamOutput::Authenticated(Box::new(login)));
        let additional_data = success.additional_data;
        Ok(State::LoggingIn(Box::new(LoggingIn { attempt: self, account, additional_data })))
    }

    /// RFC 6120 6.3.8: nobody acts as somebody else; the account may be named by its id or by the
    /// name under which it was looked up.
    fn may_act_as(&self, shared: &Shared, account: AccountId) -> bool {
        let Some(authzid) = &self.authzid else { return true };
        let Ok(authzid) = Jid::parse(authzid) else { return false };
        let named = authzid.local().and_then(|name| LoginName::parse(name, shared.config.region));
        let is_theirs = named == Some(LoginName::Account(account)) || named == self.name;
        authzid.is_bare() && authzid.domain() == shared.config.domain.domain() && is_theirs
    }

    /// A client that guesses waits longer each time, and after three times has to come anew.
    pub fn fail(self, shared: &mut Shared, failure: SaslFailure) -> Next {
        shared.failures += 1;
        shared.output(StreamOutput::Refused { username: self.username, failure });
        let told = self.profile.failure(failure);
        let is_guess = matches!(
            failure.condition,
            SaslCondition::NotAuthorized | SaslCondition::CredentialsExpired
        );
        let penalty_ms = if is_guess { PENALTY_MS * u64::from(shared.failures) } else { 0 };
        let penalised = Penalised { until_ms: shared.now.elapsed_ms + penalty_ms, told };
        if penalty_ms == 0 { penalised.end(shared) } else { Ok(State::Penalised(penalised)) }
    }

    fn terms<'a>(&'a self, shared: &'a Shared) -> Terms<'a> {
        Terms {
            offer: &self.offer,
            channel: &shared.channel,
            secret: &shared.config.secret,
            token_count: self.profile.tokens().count,
        }
    }
}

/// Waits for what is known of a user name.
#[derive(Debug)]
pub(super) struct LookingUp {
    attempt: Attempt,
    mechanism: Mechanism,
    look_up: sasl::LookUp,
}

impl LookingUp {
    /// Asks for what is known. A name that no account can have is answered here, as if it were
    /// asked for.
    fn start(self, shared: &mut Shared) -> Next {
        let Some(name) = self.attempt.name else { return self.answer(shared, LookedUp::Unknown) };
        let device = self.attempt.profile.device();
        shared.output(StreamOutput::LookUp { name, device });
        Ok(State::LookingUp(Box::new(self)))
    }

    pub fn answer(self, shared: &mut Shared, found: LookedUp) -> Next {
        let Self { attempt, mechanism, look_up } = self;
        let (account, credentials) = match found {
            LookedUp::Known { account, credentials } => (Some(account), Some(credentials)),
            LookedUp::Unknown => (None, None),
            LookedUp::Unavailable => {
                return attempt.fail(shared, SaslCondition::TemporaryAuthFailure.into());
            }
        };
        let name = attempt.name.map(|name| name.to_string());
        let name = name.unwrap_or_else(|| look_up.username().to_lowercase());
        let step = look_up.answer(credentials.as_ref(), &name, &attempt.terms(shared));
        attempt.take_step(shared, mechanism, account, step)
    }
}

/// Waits for the client's response.
#[derive(Debug)]
pub(super) struct Challenged {
    attempt: Attempt,
    mechanism: Mechanism,
    account: Option<AccountId>,
    challenge: sasl::Challenge,
}

impl Challenged {
    pub fn take(self, shared: &mut Shared, element: &Stanza) -> Next {
        let Self { attempt, mechanism, account, challenge } = self;
        if element.ns() != attempt.profile.namespace() {
            return Err(violation("an exchange is under way"));
        }
        match element.name() {
            "response" => match sasl1::decode(&element.element().text()) {
                Ok(response) => {
                    let step = challenge.respond(&response, &attempt.terms(shared));
                    attempt.take_step(shared, mechanism, account, step)
                }
                Err(failure) => attempt.fail(shared, failure),
            },
            "abort" => attempt.fail(shared, SaslCondition::Aborted.into()),
            _ => Err(violation("an exchange is under way")),
        }
    }
}

/// Waits for a password's verdict.
#[derive(Debug)]
pub(super) struct Verifying {
    attempt: Attempt,
    mechanism: Mechanism,
    account: Option<AccountId>,
    undecided: Undecided,
}

impl Verifying {
    pub fn decide(self, shared: &mut Shared, verified: Option<PasswordMark>) -> Next {
        let step = self.undecided.decide(verified);
        self.attempt.take_step(shared, self.mechanism, self.account, step)
    }
}

/// Waits for the core.
#[derive(Debug)]
pub(super) struct LoggingIn {
    attempt: Attempt,
    account: AccountId,
    additional_data: Option<Vec<u8>>,
}

impl LoggingIn {
    pub fn ready(self, shared: &mut Shared, ready: Ready) -> State {
        let data = self.additional_data.as_deref();
        if let Profile::Sasl1 = self.attempt.profile {
            shared.send(&sasl1::success(data));
            shared.output(StreamOutput::Restart);
            shared.is_open = false;
            return State::Opening(Opening { is_logged_in: true });
        }
        let is_bound = ready.jid.is_some();
        let is_resumed = ready.children.iter().any(|one| one.is("resumed", ns::STREAM_MANAGEMENT));
        let bare = account_jid(shared, self.account);
        shared.send(&sasl2::success(data, bare.as_str(), ready));
        // XEP-0198 9.2: after a resumption there are no features.
        if !is_resumed {
            let features = features::after_login(&shared.config, is_bound);
            shared.send(&features);
        }
        shared.output(StreamOutput::Established);
        State::Established
    }

    pub fn refuse(self, shared: &mut Shared, failure: SaslFailure) -> Next {
        self.attempt.fail(shared, failure)
    }
}

/// Waits for the moment at which a failure is told.
#[derive(Debug)]
pub(super) struct Penalised {
    /// As [`crate::time::Now::elapsed_ms`].
    pub until_ms: u64,
    told: Element,
}

impl Penalised {
    pub fn end(self, shared: &mut Shared) -> Next {
        shared.send(&self.told);
        if shared.failures >= FAILURES_MAX {
            return Err(violation("too many failed attempts"));
        }
        Ok(State::Offering(Offering))
    }
}

fn account_jid(shared: &Shared, account: AccountId) -> Jid {
    let domain = shared.config.domain.domain();
    Jid::from_parts(Some(&account.to_string()), domain, None).expect("an account's id is a name")
}
