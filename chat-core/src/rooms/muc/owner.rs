//! XEP-0045 10.1 to 10.9: the form of the configuration, and the end of a room.

use crate::features::Reply;
use crate::features::data_form::{self, Form, text_field};
use crate::ns;
use crate::rooms::affiliations::{check_owner, end_by_owner};
use crate::rooms::requests::{RoomIq, reconfigure};
use crate::rooms::settings::{Settings, Who, boolean, text};
use crate::rooms::{DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, RoomContext};
use crate::stanza::StanzaError;
use crate::xml::Element;

/// The form, filled in.
pub(crate) fn show_configuration(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check_owner(ctx, iq.account)?;
    let settings = &ctx.room.settings;
    let text = |name, label: &str, value: &str| {
        text_field(name, "text-single", value).with_attr("label", label)
    };
    let is = |name, label: &str, value: bool| {
        text_field(name, "boolean", if value { "1" } else { "0" }).with_attr("label", label)
    };
    let form = data_form::form("form", ns::MUC_ROOM_CONFIG)
        .with_child(text(NAME, "Name", &settings.name))
        .with_child(text(DESCRIPTION, "Description", &settings.description))
        .with_child(is(SUBJECT, "Members may change the subject", settings.edit == Who::Everyone))
        .with_child(is(MODERATED, "Only admins may write", settings.post == Who::Admins))
        .with_child(is(INVITES, "Members may add others", settings.add == Who::Everyone))
        .with_child(is(HISTORY, "New members see what was written", settings.shows_history))
        .with_child(is("muc#roomconfig_persistentroom", "It stays when all have left", true))
        .with_child(is("muc#roomconfig_membersonly", "It is for members alone", true))
        .with_child(is("muc#roomconfig_publicroom", "It is listed", false))
        .with_child(text("muc#roomconfig_whois", "Who sees addresses", "anyone"))
        .with_child(text("muc#roomconfig_allowpm", "Who may send private messages", "none"));
    Ok(Reply::Result(Some(Element::new("query", ns::MUC_OWNER).with_child(form))))
}

/// A form that was filled in, or the end.
pub(crate) fn configure(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_owner(ctx, iq.account)?;
    if iq.payload.child("destroy", ns::MUC_OWNER).is_some() {
        end_by_owner(ctx, iq.account)?;
        return Ok(Reply::Result(None));
    }
    let form = iq.payload.child("x", ns::DATA_FORMS).ok_or_else(StanzaError::bad_request)?;
    if form.attr("type") == Some("cancel") {
        return Ok(Reply::Result(None));
    }
    // XEP-0045 10.1.2: an empty form takes the room as it is, and need not say what it is.
    if form.children().next().is_some() {
        let form = Form::read(form, ns::MUC_ROOM_CONFIG)?;
        let settings = changed(&ctx.room.settings, &form)?;
        reconfigure(ctx, iq.account, settings);
    }
    Ok(Reply::Result(None))
}

/// What cannot be otherwise (that the room stays, and is for members) is passed over: clients send
/// back the whole form.
fn changed(before: &Settings, form: &Form) -> Result<Settings, StanzaError> {
    let mut settings = before.clone();
    settings.name = text(form.value(NAME).unwrap_or(&before.name), NAME_BYTES_MAX)?;
    let description = form.value(DESCRIPTION).unwrap_or(&before.description);
    settings.description = text(description, DESCRIPTION_BYTES_MAX)?;
    let is = |name, before| form.value(name).map_or(Ok(before), boolean);
    let who = |is_everyone| if is_everyone { Who::Everyone } else { Who::Admins };
    settings.edit = who(is(SUBJECT, before.edit == Who::Everyone)?);
    settings.add = who(is(INVITES, before.add == Who::Everyone)?);
    settings.post = who(!is(MODERATED, before.post == Who::Admins)?);
    settings.shows_history = is(HISTORY, before.shows_history)?;
    Ok(settings)
}

const NAME: &str = "muc#roomconfig_roomname";
const DESCRIPTION: &str = "muc#roomconfig_roomdesc";
const SUBJECT: &str = "muc#roomconfig_changesubject";
const MODERATED: &str = "muc#roomconfig_moderatedroom";
const INVITES: &str = "muc#roomconfig_allowinvites";
const HISTORY: &str = "urn:whimbrel:groups:0#history";
