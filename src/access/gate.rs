//! From what a caller shows to who they are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::transaction::Timestamp;

use super::api_key::{KeyId, id_within};
use super::file::FileError;
use super::keys_file::{KeyRing, KeysFile};
use super::principal::{Credential, Principal};
use super::rate::Budgets;
use super::settings::AccessSettings;
use super::token::{InvalidToken, Tokens};
use super::watch::WatchedFiles;

/// Why there is no principal. No message tells which keys there are.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unauthenticated {
    /// Nothing was shown.
    #[error(
        "expected a credential, found none; send `authorization: Bearer KEY` with an API key or a token, or a client certificate"
    )]
    Missing,
    /// The header is not what it should be.
    #[error("authorization: expected `Bearer KEY`, once")]
    Malformed,
    /// No such key, or another secret.
    #[error("the API key is not known to this server; `patron keys create` makes one")]
    UnknownKey,
    /// A right key that came too late.
    #[error("API key {id} has expired; make another with `patron keys create`")]
    ExpiredKey {
        /// Which.
        id: KeyId,
    },
    /// A valid certificate whose names have no roles.
    #[error(
        "the client certificate {name:?} has no roles; name it under [[certificate]] in the keys file, or send an API key"
    )]
    UnknownCertificate {
        /// The first of its names.
        name: Arc<str>,
    },
    /// A token that is not believed.
    #[error(transparent)]
    Token(#[from] InvalidToken),
}

/// Knows all callers. Its files are read again by [`Gate::refresh`].
#[derive(Debug)]
pub struct Gate {
    is_on: bool,
    keys: Option<Source<KeyRing>>,
    tokens: Option<Source<Tokens>>,
    budgets: Budgets,
}

impl Gate {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, others may write it, or its content does not hold.
    pub fn open(settings: &AccessSettings) -> Result<Self, FileError> {
        let keys = settings.keys_file.as_ref().map(|path| {
            let files = WatchedFiles::new([path.clone()]).with_secret(path.clone());
            Source::open(path, files, |bytes| KeysFile::parse(bytes)?.ring())
        });
        let tokens = settings.tokens.clone().map(|tokens| {
            let path = tokens.jwks_file.clone();
            let files = WatchedFiles::new([path.clone()]);
            Source::open(&path, files, move |bytes| Tokens::parse(tokens.clone(), bytes))
        });
        Ok(Self {
            is_on: settings.is_on(),
            keys: keys.transpose()?,
            tokens: tokens.transpose()?,
            budgets: Budgets::new(settings.limits),
        })
    }

    /// Whether callers have to show anything.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Reads files again that changed. One that does not hold is logged, and what was read before
    /// stays.
    pub fn refresh(&self) {
        if let Some(keys) = &self.keys {
            keys.refresh();
        }
        if let Some(tokens) = &self.tokens {
            tokens.refresh();
        }
    }

    /// Who calls, by the value of the `authorization` header and by the names in the certificate of
    /// the connection. A header wins: whoever sends one wants to be known by it.
    ///
    /// # Errors
    /// Why nobody is.
    pub fn principal(
        &self,
        authorization: Option<&str>,
        certificate_names: &[Arc<str>],
    ) -> Result<Principal, Unauthenticated> {
        let principal = match authorization {
            _ if !self.is_on => Principal::unchecked(certificate_names),
            Some(header) => self.by_bearer(header)?,
            None => self.by_certificate(certificate_names)?,
        };
        let budget = self.budgets.of(principal.shared_name());
        Ok(principal.limited(budget))
    }

    fn by_bearer(&self, header: &str) -> Result<Principal, Unauthenticated> {
        let (scheme, shown) = header.split_once(' ').ok_or(Unauthenticated::Malformed)?;
        let shown = shown.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || shown.is_empty() {
            return Err(Unauthenticated::Malformed);
        }
        match (id_within(shown), &self.tokens) {
            (Some(id), _) => self.by_key(KeyId::new(id), shown),
            (None, Some(tokens)) => {
                let vouched = tokens.current.load().check(shown, Timestamp::now())?;
                Ok(Principal::new(Arc::clone(&vouched.name), Credential::Token, vouched.roles))
            }
            (None, None) => Err(Unauthenticated::UnknownKey),
        }
    }

    fn by_key(&self, id: KeyId, shown: &str) -> Result<Principal, Unauthenticated> {
        let ring = self.keys.as_ref().ok_or(Unauthenticated::UnknownKey)?.current.load();
        let known = ring.key(&id).filter(|known| known.digest.is_of(shown));
        let known = known.ok_or(Unauthenticated::UnknownKey)?;
        if known.key.is_expired(Timestamp::now()) {
            return Err(Unauthenticated::ExpiredKey { id });
        }
        Ok(Principal::new(Arc::clone(&known.name), Credential::Key(id), known.roles))
    }

    fn by_certificate(&self, names: &[Arc<str>]) -> Result<Principal, Unauthenticated> {
        let name = names.first().ok_or(Unauthenticated::Missing)?;
        let ring = self.keys.as_ref().map(|keys| keys.current.load());
        let known = ring.as_ref().and_then(|ring| ring.certificate(names));
        let unknown = || Unauthenticated::UnknownCertificate { name: Arc::clone(name) };
        let (name, roles) = known.ok_or_else(unknown)?;
        Ok(Principal::new(Arc::clone(name), Credential::Certificate, roles))
    }
}

/// Reads the bytes of a file.
type Parse<T> = dyn Fn(&[u8]) -> Result<T, String> + Send + Sync;

/// What was read from a file, replaced when the file changes.
struct Source<T> {
    path: PathBuf,
    files: Mutex<WatchedFiles>,
    parse: Box<Parse<T>>,
    current: ArcSwap<T>,
}

impl<T> Source<T> {
    fn open(
        path: &Path,
        mut files: WatchedFiles,
        parse: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        let content = files.changed()?.unwrap_or_default().concat();
        let first = parse(&content).map_err(|problem| FileError::content(path, problem))?;
        Ok(Self {
            path: path.to_owned(),
            files: Mutex::new(files),
            parse: Box::new(parse),
            current: ArcSwap::from_pointee(first),
        })
    }

    fn refresh(&self) {
        let changed = self.files.lock().unwrap_or_else(PoisonError::into_inner).changed();
        let read = match changed {
            Ok(None) => return,
            Ok(Some(content)) => (self.parse)(&content.concat())
                .map_err(|problem| FileError::content(&self.path, problem)),
            Err(error) => Err(error),
        };
        match read {
            Ok(read) => {
                self.current.store(Arc::new(read));
                tracing::info!(path = %self.path.display(), "credentials were read again");
            }
            Err(error) => {
                tracing::error!(%error, "credentials stay as they were read before");
            }
        }
    }
}

impl<T> std::fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}
