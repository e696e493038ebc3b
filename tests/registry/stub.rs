//! A registry that fails as it is told to.

use crate::user::digest;
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// It speaks HTTP without TLS on loopback, and listens for as long as the process lives.
pub struct Stub {
    /// `HOST:PORT`.
    pub host: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub path: String,
    /// Where the client wants to go on from.
    pub from: Option<usize>,
    pub authorization: Option<String>,
    /// How many there were of this path before.
    pub before: usize,
}

/// What follows a request.
pub enum Reply {
    Status(u16, String),
    /// With a header that says where to get a token.
    Challenge(String),
    Content(Vec<u8>),
    /// All of it, wherever the client wants to go on from.
    WholeContent(Vec<u8>),
    /// The connection ends after so many bytes.
    Cut(Vec<u8>, usize),
    /// It ends with an error.
    Reset(Vec<u8>, usize),
    /// It does not end until the client ends it.
    Stall(Vec<u8>, usize),
}

impl Stub {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (answer, seen) = (Arc::new(answer), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (answer.clone(), seen.clone());
                // A client that goes away is none of its problems.
                std::thread::spawn(move || serve(stream, &*answer, &seen).ok());
            }
        });
        Self { host, requests }
    }

    /// An image, with what `fault` says in place of what is right.
    pub fn of(
        image: &Made,
        fault: impl Fn(&Request, &Made) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let image = image.clone();
        Self::start(move |request| fault(request, &image).unwrap_or_else(|| image.answer(request)))
    }

    /// Those for paths that contain `part`.
    pub fn requests(&self, part: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let of_part = requests
            .iter()
            .filter(|request| request.path.contains(part));
        of_part.cloned().collect()
    }

    /// How the image is called there.
    pub fn image(&self) -> String {
        format!("docker://{}/image:1", self.host)
    }
}

/// An image of layers that are no archives.
#[derive(Clone, Debug)]
pub struct Made {
    pub manifest: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Made {
    pub fn new(layers: &[&[u8]]) -> Self {
        let configuration = json!({
            "os": "linux",
            "architecture": oci_spec::image::Arch::default().to_string(),
            "config": { "Env": ["A=b"] },
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>(),
            },
        });
        Self::with(layers, configuration.to_string().into_bytes())
    }

    fn with(layers: &[&[u8]], configuration: Vec<u8>) -> Self {
        let described = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("application/vnd.oci.image.config.v1+json", &configuration),
            "layers": layers.iter().map(|bytes| described(layer, bytes)).collect::<Vec<_>>(),
        });
        let layers: Vec<_> = layers.iter().map(|layer| layer.to_vec()).collect();
        let all = layers.iter().cloned().chain([configuration]);
        Self {
            manifest: manifest.to_string().into_bytes(),
            blobs: all.map(|bytes| (digest(&bytes), bytes)).collect(),
            layers,
        }
    }

    /// Of a manifest that says something else.
    pub fn with_manifest(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.manifest).unwrap();
        change(&mut manifest);
        self.manifest = manifest.to_string().into_bytes();
        self
    }

    /// The path of a layer, or its end.
    pub fn path(&self, layer: usize) -> String {
        format!("/blobs/{}", digest(&self.layers[layer]))
    }

    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.as_str();
        let last = path.rsplit('/').next().unwrap();
        if path == "/v2/" {
            return Reply::Status(200, "{}".to_owned());
        }
        let known = path.starts_with("/v2/image/");
        if known && path.contains("/manifests/") && ["1", &digest(&self.manifest)].contains(&last) {
            return Reply::Content(self.manifest.clone());
        }
        match self.blobs.get(last) {
            Some(blob) if known => Reply::Content(blob.clone()),
            _ => Reply::Status(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#.to_owned()),
        }
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &dyn Fn(&Request) -> Reply,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    if reader.fill_buf()?.first() == Some(&0x16) {
        // As servers answer that do not expect TLS.
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
        stream.shutdown(Shutdown::Write)?;
        reader.read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut request = Request {
        path: line.split(' ').nth(1).unwrap_or_default().to_owned(),
        ..Request::default()
    };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name {
            "range" => {
                let range = value.trim_start_matches("bytes=").trim_end_matches('-');
                request.from = range.parse().ok();
            }
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    {
        let mut seen = seen.lock().unwrap();
        let same = seen.iter().filter(|other| other.path == request.path);
        request.before = same.count();
        seen.push(request.clone());
    }
    let head = |status: u16, headers: &str, length: usize| {
        format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
    };
    let from = request.from.unwrap_or(0);
    let reply = answer(&request);
    let part = |content: &[u8], most: usize| {
        let rest = content.get(from..).unwrap_or_default();
        let range = format!("Content-Range: bytes {from}-{}/*\r\n", content.len());
        let (status, range) = match request.from {
            Some(_) => (206, range.as_str()),
            None => (200, ""),
        };
        let mut bytes = head(status, range, rest.len()).into_bytes();
        bytes.extend(&rest[..rest.len().min(most)]);
        bytes
    };
    match reply {
        Reply::Status(status, body) => {
            let text = head(status, "", body.len()) + &body;
            stream.write_all(text.as_bytes())?;
        }
        Reply::Challenge(challenge) => {
            let header = format!("WWW-Authenticate: {challenge}\r\n");
            stream.write_all(head(401, &header, 0).as_bytes())?;
        }
        Reply::Content(content) => stream.write_all(&part(&content, usize::MAX))?,
        Reply::WholeContent(content) => {
            stream.write_all(head(200, "", content.len()).as_bytes())?;
            stream.write_all(&content)?;
        }
        Reply::Cut(content, after) => stream.write_all(&part(&content, after))?,
        Reply::Reset(content, after) => {
            stream.write_all(&part(&content, after))?;
            set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        Reply::Stall(content, after) => {
            stream.write_all(&part(&content, after))?;
            reader.read_to_end(&mut Vec::new())?;
        }
    }
    Ok(())
}
