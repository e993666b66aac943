//! The tool calls of one choice.

use std::ops::Range;

use bytes::Bytes;
use modelgate_domain::{RequestId, json};
use modelgate_ports::driven::BackendError;

use super::super::edit::{self, Edit};
use super::super::finish::{MOST, too_many};
use super::members;

/// The calls seen so far, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    index: u64,
    id: String,
    name: Option<String>,
}

/// One element of `tool_calls`, as it came.
struct Part {
    id: Option<(Range<usize>, String)>,
    name: Option<(Range<usize>, String)>,
    index: Option<u64>,
}

impl Part {
    fn read(event: &[u8], at: &Range<usize>) -> Self {
        let [index, id, function] = members(event, at, &["index", "id", "function"]);
        let name = function.and_then(|function| {
            let [name] = members(event, &function, &["name"]);
            name
        });
        let text = |at: Range<usize>| {
            let text = json::text(&event[at.clone()])?.into_owned();
            Some((at, text))
        };
        Self {
            id: id.and_then(text),
            name: name.and_then(text),
            index: index.and_then(|at| json::unsigned(&event[at])),
        }
    }

    fn said_id(&self) -> Option<&str> {
        self.id
            .as_ref()
            .map(|(_, id)| id.as_str())
            .filter(|id| !id.is_empty())
    }

    fn said_name(&self) -> Option<&str> {
        self.name
            .as_ref()
            .map(|(_, name)| name.as_str())
            .filter(|name| !name.is_empty())
    }
}

impl Calls {
    /// Adds what must change in the element at `at`. `of` tells request and choice, from which new ids are made.
    ///
    /// # Errors
    /// There are more calls than is sane.
    pub(super) fn edit(
        &mut self,
        event: &[u8],
        at: &Range<usize>,
        of: (RequestId, u64),
        edits: &mut Vec<Edit<Bytes>>,
    ) -> Result<(), BackendError> {
        let part = Part::read(event, at);
        let is_full = self.0.len() >= MOST;
        match self.find(&part) {
            Some(known) => go_on(known, event, at, &part, edits),
            None if is_full => return Err(too_many("tool calls")),
            None => self.begin(event, at, &part, of, edits),
        }
        Ok(())
    }

    /// The call that the part goes on with.
    fn find(&mut self, part: &Part) -> Option<&mut Call> {
        let is_it = |call: &&mut Call| match (part.index, part.said_id()) {
            (Some(index), _) => call.index == index,
            (None, Some(id)) => call.id == id,
            (None, None) => part.said_name().is_none(),
        };
        self.0.iter_mut().rev().find(is_it)
    }

    fn begin(
        &mut self,
        event: &[u8],
        at: &Range<usize>,
        part: &Part,
        (request, choice): (RequestId, u64),
        edits: &mut Vec<Edit<Bytes>>,
    ) {
        let next = self
            .0
            .iter()
            .map(|call| call.index.saturating_add(1))
            .max()
            .unwrap_or(0);
        let index = part.index.unwrap_or(next);
        let id = part
            .said_id()
            .map_or_else(|| new_id(request, choice, index), str::to_owned);
        let missing_index = part.index.is_none().then(|| format!("\"index\":{index},"));
        let missing_id = part.id.is_none().then(|| format!("\"id\":\"{id}\","));
        insert(
            event,
            at,
            [missing_index, missing_id].into_iter().flatten().collect(),
            edits,
        );
        if let Some((value, said)) = &part.id
            && said.is_empty()
        {
            edits.push(Edit::new(value.clone(), Bytes::from(format!("\"{id}\""))));
        }
        let name = part.said_name().map(str::to_owned);
        self.0.push(Call { index, id, name });
    }
}

/// A further part of a known call: its id and name are not said again.
fn go_on(
    call: &mut Call,
    event: &[u8],
    at: &Range<usize>,
    part: &Part,
    edits: &mut Vec<Edit<Bytes>>,
) {
    let index = part
        .index
        .is_none()
        .then(|| format!("\"index\":{}", call.index));
    match (&part.id, index) {
        (Some((id, _)), Some(index)) => {
            edits.push(Edit::new(edit::pair(event, id), Bytes::from(index)));
        }
        (Some((id, _)), None) => edits.push(Edit::new(edit::member(event, id), Bytes::new())),
        (None, Some(index)) => insert(event, at, index + ",", edits),
        (None, None) => {}
    }
    let Some((value, name)) = &part.name else {
        return;
    };
    match &call.name {
        Some(said) if said == name || name.is_empty() => {
            edits.push(Edit::new(edit::member(event, value), Bytes::new()));
        }
        Some(_) => {}
        None => call.name = part.said_name().map(str::to_owned),
    }
}

/// Puts members, each with a comma, at the front of the object at `at`.
fn insert(event: &[u8], at: &Range<usize>, mut front: String, edits: &mut Vec<Edit<Bytes>>) {
    let is_empty = event[at.start + 1..at.end - 1].trim_ascii().is_empty();
    if is_empty {
        front.pop();
    }
    if !front.is_empty() {
        let place = at.start + 1;
        edits.push(Edit::new(place..place, Bytes::from(front)));
    }
}

fn new_id(request: RequestId, choice: u64, index: u64) -> String {
    let request = request.to_string().replace('-', "");
    format!("call_{request}_{choice}_{index}")
}
