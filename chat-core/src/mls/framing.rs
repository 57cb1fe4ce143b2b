//! RFC 9420 6: messages are read as what they should be, and as nothing else.

use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::Deserialize as _;
use openmls::prelude::{
    ContentType, KeyPackageIn, MlsMessageBodyIn, MlsMessageIn, ProtocolMessage, PublicMessageIn,
    Welcome,
};

use super::Refusal;

/// A PrivateMessage with an application's content, as far as the server can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The group's id.
    pub group: Box<[u8]>,
    /// The epoch under whose keys it is.
    pub epoch: u64,
}

impl Application {
    /// Reads what is not encrypted.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::TooLarge`].
    pub fn read(bytes: &[u8]) -> Result<Application, Refusal> {
        let wrong = Refusal::Malformed { expected: "PrivateMessage with application content" };
        let MlsMessageBodyIn::PrivateMessage(message) = body(bytes, MESSAGE_BYTES_MAX, &wrong)?
        else {
            return Err(wrong);
        };
        let message = ProtocolMessage::from(message);
        if message.content_type() != ContentType::Application {
            return Err(wrong);
        }
        Ok(Application {
            group: message.group_id().as_slice().into(),
            epoch: message.epoch().as_u64(),
        })
    }
}

/// A commit that is not encrypted.
pub(super) fn commit(bytes: &[u8]) -> Result<PublicMessageIn, Refusal> {
    let wrong = Refusal::Malformed { expected: "PublicMessage with a commit" };
    match body(bytes, COMMIT_BYTES_MAX, &wrong)? {
        MlsMessageBodyIn::PublicMessage(message)
            if message.content_type() == ContentType::Commit =>
        {
            Ok(message)
        }
        _ => Err(wrong),
    }
}

pub(super) fn welcome(bytes: &[u8]) -> Result<Welcome, Refusal> {
    let wrong = Refusal::Malformed { expected: "Welcome" };
    match body(bytes, WELCOME_BYTES_MAX, &wrong)? {
        MlsMessageBodyIn::Welcome(welcome) => Ok(welcome),
        _ => Err(wrong),
    }
}

pub(super) fn group_info(bytes: &[u8]) -> Result<VerifiableGroupInfo, Refusal> {
    let wrong = Refusal::Malformed { expected: "GroupInfo" };
    match body(bytes, GROUP_INFO_BYTES_MAX, &wrong)? {
        MlsMessageBodyIn::GroupInfo(info) => Ok(info),
        _ => Err(wrong),
    }
}

pub(super) fn key_package(bytes: &[u8]) -> Result<KeyPackageIn, Refusal> {
    let wrong = Refusal::Malformed { expected: "KeyPackage" };
    match body(bytes, KEY_PACKAGE_BYTES_MAX, &wrong)? {
        MlsMessageBodyIn::KeyPackage(package) => Ok(package),
        _ => Err(wrong),
    }
}

fn body(bytes: &[u8], bytes_max: usize, wrong: &Refusal) -> Result<MlsMessageBodyIn, Refusal> {
    if bytes.len() > bytes_max {
        return Err(Refusal::TooLarge { bytes: bytes.len(), bytes_max });
    }
    let message = MlsMessageIn::tls_deserialize_exact(bytes).map_err(|_| wrong.clone())?;
    Ok(message.extract())
}

/// Bytes of a commit: 250 key packages, or the path of a tree of 512 blank parents, fit.
pub const COMMIT_BYTES_MAX: usize = 128 << 10;
/// Bytes of a Welcome.
pub const WELCOME_BYTES_MAX: usize = 96 << 10;
/// Bytes of a group info, which is without tree but for that of a founder.
pub const GROUP_INFO_BYTES_MAX: usize = 8 << 10;
/// Bytes of a key package.
pub const KEY_PACKAGE_BYTES_MAX: usize = 4 << 10;
/// Bytes of an application message.
pub const MESSAGE_BYTES_MAX: usize = 128 << 10;
