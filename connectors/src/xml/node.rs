//! An element with what is in it.

use quick_xml::events::BytesStart;

use crate::reject::RAW_BYTES_MAX;

/// An element with what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Local name.
    pub(crate) name: Box<str>,
    /// By local name.
    pub(crate) attributes: Vec<(Box<str>, Box<str>)>,
    /// Its own text, trimmed.
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// Its name and attributes.
    pub(super) fn of(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut node = Self {
            name: start.local_name().as_ref().into(),
            ..Self::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("an attribute: {error}"))?;
            let key = attribute.key.local_name();
            let name: &str = key.as_ref();
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|error| format!("attribute {name}: {error}"))?;
            node.attributes.push((name.into(), value.into()));
        }
        Ok(node)
    }

    /// The first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| &*child.name == name)
    }

    /// The children of a name.
    pub(crate) fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        self.children
            .iter()
            .filter(move |child| &*child.name == name)
    }

    /// The first element along a way of names.
    pub(crate) fn at(&self, way: &[&str]) -> Option<&Node> {
        let mut node = self;
        for name in way {
            node = node.child(name)?;
        }
        Some(node)
    }

    /// The text along a way, where there is one that is not empty.
    pub(crate) fn text_at(&self, way: &[&str]) -> Option<&str> {
        self.at(way)
            .map(|node| node.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// An attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| &**known == name)
            .map(|(_, value)| &**value)
    }

    /// Every element of a name below this one, however deep.
    pub(crate) fn below<'n>(&'n self, name: &str, found: &mut Vec<&'n Node>) {
        for child in &self.children {
            if &*child.name == name {
                found.push(child);
            }
            child.below(name, found);
        }
    }
}

/// The beginning of a record, as XML again: the bytes it came as are gone by then.
pub(crate) fn outline(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    write(node, &mut out);
    out.truncate(RAW_BYTES_MAX);
    out
}

fn write(node: &Node, out: &mut Vec<u8>) {
    if out.len() > RAW_BYTES_MAX {
        return;
    }
    out.extend_from_slice(format!("<{}", node.name).as_bytes());
    for (name, value) in &node.attributes {
        out.extend_from_slice(format!(" {name}={value:?}").as_bytes());
    }
    out.push(b'>');
    out.extend_from_slice(node.text.as_bytes());
    for child in &node.children {
        write(child, out);
    }
    out.extend_from_slice(format!("</{}>", node.name).as_bytes());
}
