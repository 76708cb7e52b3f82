//! What pages load besides themselves, and the OpenAPI document: compressed once, with an `ETag`. A vendored file
//! has a name with a hash of its content, so that a browser keeps it for ever and never an old one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::web::api::problem::Problem;

/// Bytes of the hash in a name: enough that two contents never share one.
const HASH_BYTES: usize = 8;
/// A content never changes under its name.
const KEPT: &str = "public, max-age=31536000, immutable";
/// A browser asks each time whether it is still the same.
const ASKED: &str = "no-cache";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Charts for the console; `templates/vendor/README.md` says what these files are.
pub static UPLOT: LazyLock<File> = LazyLock::new(|| {
    let text = include_str!("../../../templates/vendor/uplot/uPlot.iife.min.js");
    File::new("uplot", "js", SCRIPT, text)
});
/// The viewer of the API reference.
pub static SWAGGER_UI: LazyLock<File> = LazyLock::new(|| {
    let text = include_str!("../../../templates/vendor/swagger-ui/swagger-ui-bundle.js");
    File::new("swagger-ui", "js", SCRIPT, text)
});
pub static SWAGGER_UI_STYLE: LazyLock<File> = LazyLock::new(|| {
    let text = include_str!("../../../templates/vendor/swagger-ui/swagger-ui.css");
    File::new("swagger-ui", "css", STYLE, text)
});

/// Bytes that do not change while the gateway runs. Compressing them for each request would cost far more than
/// sending them.
pub struct Asset {
    kind: &'static str,
    kept: &'static str,
    tag: String,
    plain: Bytes,
    gzip: Bytes,
}

impl Asset {
    fn new(kind: &'static str, kept: &'static str, plain: Bytes) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&plain).expect("memory takes all");
        let gzip = gzip.finish().expect("memory takes all").into();
        let tag = format!("W/\"{}\"", hash(&plain));
        Self { kind, kept, tag, plain, gzip }
    }

    pub fn json(document: &Value) -> Self {
        Self::new("application/json", ASKED, document.to_string().into())
    }

    /// The bytes in the way that the caller takes them, or that they are still the same.
    pub fn respond(&self, headers: &HeaderMap) -> Response {
        let told = [
            (header::CACHE_CONTROL, self.kept),
            (header::ETAG, self.tag.as_str()),
            (header::VARY, "accept-encoding"),
        ];
        if lists(headers, header::IF_NONE_MATCH).any(|tag| tag == self.tag) {
            return (StatusCode::NOT_MODIFIED, told).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        if lists(headers, header::ACCEPT_ENCODING).any(|coding| coding == "gzip") {
            return (told, kind, [(header::CONTENT_ENCODING, "gzip")], self.gzip.clone())
                .into_response();
        }
        (told, kind, self.plain.clone()).into_response()
    }
}

/// The items of a header that is a list. One with a weight (`gzip;q=0`) is not taken.
fn lists(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn hash(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in &Sha256::digest(bytes)[..HASH_BYTES] {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
    text
}

/// A vendored file under its name.
pub struct File {
    name: String,
    asset: Asset,
}

impl File {
    fn new(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let name = format!("{name}-{}.{ending}", hash(text.as_bytes()));
        Self { name, asset: Asset::new(kind, KEPT, Bytes::from_static(text.as_bytes())) }
    }

    /// Where a page finds it.
    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// `GET /assets/{name}`
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let all = [&*UPLOT, &*SWAGGER_UI, &*SWAGGER_UI_STYLE];
    let Some(file) = all.into_iter().find(|file| file.name == name) else {
        return Problem::not_found("file").into_response();
    };
    file.asset.respond(&headers)
}
