//! `urn:whimbrel:mls:0`, "Key packages" (docs/protocol/mls.md): devices put them into stock, others
//! claim them.

use data_encoding::BASE64;
use hashbrown::HashMap;

use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::{Context, Request};
use crate::jid::{AccountId, Jid};
use crate::mls::{
    ClaimedKeyPackage, KeyPackageClaim, KeyPackageStock, LEAVES_MAX, LeafName, NS, NewKeyPackage,
};
use crate::ns;
use crate::stanza::{Condition, StanzaError};
use crate::transaction::{Answer, Query, StorageError, Write};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[NS],
    account_features: &[NS],
    requests: &[
        row(At::Own, Action::Set, "key-packages", upload),
        row(At::Own, Action::Get, "key-packages", show_stock),
        row(At::Server, Action::Set, "claim", claim),
    ],
    ..Feature::named("key-packages")
};

/// What an account has claimed lately.
#[derive(Debug, Default)]
pub struct Claims {
    began_ms: u64,
    targets: HashMap<AccountId, u32>,
    total: u32,
}

impl Claims {
    /// Notes claims. Says whether there were too many.
    fn note(&mut self, targets: &[AccountId], now_ms: u64) -> Result<(), StanzaError> {
        if now_ms.saturating_sub(self.began_ms) >= CLAIMS_EVERY_MS {
            *self = Claims { began_ms: now_ms, ..Claims::default() };
        }
        let count = |target| self.targets.get(target).copied().unwrap_or_default();
        let new = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        if self.total.saturating_add(new) > CLAIMS_MAX
            || targets.iter().any(|target| count(target) >= CLAIMS_OF_TARGET_MAX)
        {
            return Err(StanzaError::new(Condition::PolicyViolation)
                .with_app(Element::new("too-many-claims", NS)));
        }
        self.total += new;
        for target in targets {
            *self.targets.entry(*target).or_default() += 1;
        }
        Ok(())
    }
}

fn upload(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let owner = leaf_name(ctx, iq.resource())?;
    let now_unix_s = ctx.now.unix_ms / 1000;
    let children: Vec<&Element> = iq.payload.children_named("key-package", NS).collect();
    if children.is_empty() || children.len() > UPLOAD_MAX {
        return Err(StanzaError::bad_request());
    }
    let mut packages = Vec::with_capacity(children.len());
    for child in children {
        let bytes = decoded(child)?.into();
        packages.push(NewKeyPackage::check(&bytes, &owner, now_unix_s)?);
    }
    ctx.write(Write::PutKeyPackages { owner: owner.clone(), packages });
    answer_stock(ctx, iq, owner)
}

fn show_stock(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let owner = leaf_name(ctx, iq.resource())?;
    answer_stock(ctx, iq, owner)
}

fn answer_stock(ctx: &mut Context<'_>, iq: &Iq, owner: LeafName) -> Result<Reply, StanzaError> {
    let request = iq.request.clone();
    ctx.ask(Query::KeyPackageStock(owner), move |ctx, answer| {
        let answer = match answer {
            Ok(Answer::Stock(stock)) => Ok(Some(stock_element(&stock))),
            _ => Err(StanzaError::internal_server_error()),
        };
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

fn claim(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let claimant = leaf_name(ctx, iq.resource())?;
    let domain = ctx.config.domain.domain();
    let target = |account: &Element| {
        let jid = account.attr("jid").ok_or_else(StanzaError::bad_request)?;
        let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?;
        let account = AccountId::of(&jid).filter(|_| jid.domain() == domain);
        account.ok_or_else(StanzaError::item_not_found)
    };
    let targets = iq.payload.children_named("account", NS).map(target);
    let mut targets = targets.collect::<Result<Vec<AccountId>, StanzaError>>()?;
    targets.sort_unstable();
    targets.dedup();
    if targets.is_empty() || targets.len() > LEAVES_MAX {
        return Err(StanzaError::bad_request());
    }
    ctx.account.state.claims.note(&targets, ctx.now.elapsed_ms)?;
    let now_unix_s = ctx.now.unix_ms / 1000;
    let query = Query::ClaimKeyPackages(KeyPackageClaim { claimant, targets, now_unix_s });
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| give(ctx, &request, answer));
    Ok(Reply::Later)
}

fn give(ctx: &mut Context<'_>, request: &Request, answer: Result<Answer, StorageError>) {
    let Ok(Answer::KeyPackages(packages)) = answer else {
        return ctx.answer(request, Err(StanzaError::internal_server_error()));
    };
    for package in packages.iter().filter(|package| package.left < STOCK_LOW) {
        warn(ctx, package);
    }
    let shown = |package: &ClaimedKeyPackage| {
        let jid = jid_of(ctx, package.account);
        Element::new("key-package", NS)
            .with_attr("jid", jid.as_str())
            .with_attr("device", package.device.as_str())
            .with_text(BASE64.encode(&package.package))
    };
    let claimed = Element::new("claimed", NS).with_children(packages.iter().map(shown));
    ctx.answer(request, Ok(Some(claimed)));
}

/// Tells a device that its stock runs low, if its account is there to hear it.
fn warn(ctx: &mut Context<'_>, package: &ClaimedKeyPackage) {
    let low = Element::new("stock-low", NS)
        .with_attr("device", package.device.as_str())
        .with_attr("single-use", package.left.to_string());
    let message = Element::new("message", ns::CLIENT).with_attr("type", "headline").with_child(low);
    let to = jid_of(ctx, package.account);
    ctx.route(ctx.config.domain.clone(), to, &message);
}

fn stock_element(stock: &KeyPackageStock) -> Element {
    Element::new("key-packages", NS)
        .with_attr("single-use", stock.single_use.to_string())
        .with_attr("last-resort", stock.has_last_resort.to_string())
}

/// The leaf that a session's device has in groups. Only what names itself at its log-in (XEP-0388)
/// is a device.
pub(crate) fn leaf_name(ctx: &Context<'_>, resource: &str) -> Result<LeafName, StanzaError> {
    let session = ctx.account.session(resource);
    let device = session.and_then(|session| session.extra.as_ref()?.device.clone());
    let device = device.ok_or_else(|| {
        StanzaError::not_allowed().with_app(Element::new("device-without-id", NS))
    })?;
    Ok(LeafName { account: ctx.account.id, device })
}

fn jid_of(ctx: &Context<'_>, account: AccountId) -> Jid {
    Jid::from_parts(Some(&account.to_string()), ctx.config.domain.domain(), None)
        .expect("an id is a lawful local part")
}

fn decoded(element: &Element) -> Result<Vec<u8>, StanzaError> {
    let text = element.text();
    BASE64.decode(text.trim().as_bytes()).map_err(|_| StanzaError::bad_request())
}

const fn row(
    at: At,
    action: Action,
    name: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name, ns: NS, handle }
}

/// Key packages of one upload.
const UPLOAD_MAX: usize = 100;
/// A device with fewer single-use ones is told so.
const STOCK_LOW: u32 = 10;
/// Claims are counted anew after an hour.
const CLAIMS_EVERY_MS: u64 = 3600 * 1000;
/// Accounts whose key packages one account claims in that time, each time counted.
const CLAIMS_MAX: u32 = 4096;
/// Claims of one account on one other in that time.
const CLAIMS_OF_TARGET_MAX: u32 = 32;
