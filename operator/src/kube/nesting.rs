//! The parser gives up on JSON that is nested more than 128 levels deep, and with one such object on the whole list it is in: whoever may
//! write one object with a field for anything would keep the operator from reading all others. So what is too deep is cut out before.

use axum::body::Body;
use bytes::Bytes;
use futures::TryStreamExt as _;

/// The deepest level that is read. A CronJob of everything has some twenty; managed fields have twice their object's, and some.
pub const MAX_DEPTH: usize = 100;

/// Cuts JSON to [`MAX_DEPTH`], piece by piece: `null` stands for the objects and lists that are deeper. Documents may follow each other.
#[derive(Debug, Clone, Default)]
pub struct Cutter {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Cutter {
    /// The next piece of the text, cut. Pieces may end anywhere.
    #[must_use]
    pub fn cut(&mut self, piece: Bytes) -> Bytes {
        let before = self.clone();
        if piece.iter().fold(before.depth, |most, byte| most.max(self.pass(*byte))) <= MAX_DEPTH {
            return piece;
        }
        *self = before;
        let mut kept = Vec::with_capacity(piece.len());
        for byte in piece {
            let (was, within) = (self.depth, self.pass(byte));
            if within <= MAX_DEPTH {
                kept.push(byte);
            } else if was == MAX_DEPTH {
                kept.extend_from_slice(b"null");
            }
        }
        kept.into()
    }

    /// How deep the object or list is that `byte` belongs to.
    fn pass(&mut self, byte: u8) -> usize {
        let before = self.depth;
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        before.max(self.depth)
    }
}

/// An answer of the API server, cut.
pub fn cut<B>(answer: axum::http::Response<B>) -> axum::http::Response<Body>
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    answer.map(|body| {
        let mut cutter = Cutter::default();
        Body::from_stream(Body::new(body).into_data_stream().map_ok(move |piece| cutter.cut(piece)))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Response};
    use breakwater_crds::ImagePolicy;
    use kube::{Api, Client, api::ListParams};
    use serde_json::{Value, json};

    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}\"}}\\\"[\"{}", "[".repeat(levels), "]".repeat(levels))
    }

    fn cut(text: &str, piece: usize) -> String {
        let mut cutter = Cutter::default();
        let pieces = text.as_bytes().chunks(piece).map(|piece| cutter.cut(Bytes::copy_from_slice(piece)));
        String::from_utf8(pieces.flatten().collect()).unwrap()
    }

    #[test]
    fn only_what_is_too_deep_is_cut_wherever_pieces_end() {
        let watched = format!("{}\n{}\n", nested(MAX_DEPTH), nested(3));
        let deep = nested(MAX_DEPTH).replace("\"}\\\"[\"", "null");
        for piece in [1, 7, usize::MAX] {
            assert_eq!(cut(&watched, piece), watched);
            assert_eq!(cut(&nested(MAX_DEPTH + 1), piece), deep);
            assert_eq!(cut(&nested(5_000), piece), deep);
        }
    }

    #[tokio::test]
    async fn one_odd_object_keeps_nobody_from_reading_the_others() {
        let policy = |name: &str, template: Value| json!({"metadata": {"name": name}, "spec": {"postDeploy": {"jobTemplate": template}}});
        let mut template = json!({});
        for _ in 0..200 {
            template = json!({"a": template});
        }
        let list = json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicyList", "metadata": {},
            "items": [policy("odd", template), policy("other", json!({}))]});
        let service = tower::service_fn(move |_: Request<kube::client::Body>| {
            let answer = Response::new(Body::from(list.to_string()));
            async move { Ok::<_, std::convert::Infallible>(super::cut(answer)) }
        });
        let policies = Api::<ImagePolicy>::all(Client::new(service, "default"));
        let listed = policies.list(&ListParams::default()).await.unwrap();
        assert_eq!(listed.items.len(), 2);
    }
}
