//! Signatures of tokens, checked by ring.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature as known;
use signature::{Error, Verifier};

/// Nothing is signed here.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring check the signatures of this process.
pub(super) fn install() {
    // An error means that it was done before.
    let _ = PROVIDER.install_default();
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let scheme = Scheme::of(*algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
    Ok(Box::new(RingVerifier { algorithm: *algorithm, scheme, key: key.clone() }))
}

/// How ring calls an algorithm.
enum Scheme {
    Rsa(&'static known::RsaParameters),
    Other(&'static dyn known::VerificationAlgorithm),
}

impl Scheme {
    fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::RS256 => Self::Rsa(&known::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&known::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&known::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&known::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&known::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&known::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Other(&known::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Other(&known::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Other(&known::ED25519),
            _ => return None,
        })
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    scheme: Scheme,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match (&self.scheme, self.key.kind()) {
            (Scheme::Rsa(scheme), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                known::RsaPublicKeyComponents { n, e }.verify(scheme, message, signature)
            }
            (Scheme::Rsa(scheme), DecodingKeyKind::SecretOrDer(der)) => {
                known::UnparsedPublicKey::new(*scheme, der).verify(message, signature)
            }
            (Scheme::Other(scheme), DecodingKeyKind::SecretOrDer(point)) => {
                known::UnparsedPublicKey::new(*scheme, point).verify(message, signature)
            }
            (Scheme::Other(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(Error::new());
            }
        };
        verified.map_err(|_| Error::new())
    }
}
