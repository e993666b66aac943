//! Repair of streams that clients add up wrongly: roles, ids and names said twice, tool calls without index or id.

mod calls;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use modelgate_domain::{RequestId, json};
use modelgate_ports::driven::BackendError;

use self::calls::Calls;
use super::edit::{self, Edit};
use super::finish::{MOST, too_many};
use super::outline::Outline;

/// What was said before in one stream.
#[derive(Debug)]
pub(super) struct Normalizer {
    request: RequestId,
    most: usize,
    choices: BTreeMap<u64, Said>,
}

/// What was said before in one choice.
#[derive(Debug, Default)]
struct Said {
    role: bool,
    calls: Calls,
}

impl Normalizer {
    /// For a stream of this request, with at least so many choices.
    pub(super) fn new(request: RequestId, expected: u64) -> Self {
        Self {
            request,
            most: usize::try_from(expected).unwrap_or(usize::MAX).max(MOST),
            choices: BTreeMap::new(),
        }
    }

    /// Adds what must change in an event. `true` if the next event like it needs the same changes.
    ///
    /// # Errors
    /// There are more choices or tool calls than is sane.
    pub(super) fn edit(
        &mut self,
        event: &[u8],
        outline: &Outline,
        edits: &mut Vec<Edit<Bytes>>,
    ) -> Result<bool, BackendError> {
        if !outline.role && !outline.tools {
            return Ok(true);
        }
        let mut settled = !outline.tools;
        for choice in elements(event, outline.choices.as_ref()) {
            let [index, delta] = members(event, &choice, &["index", "delta"]);
            let index = index.and_then(|at| json::unsigned(&event[at])).unwrap_or(0);
            let Some(delta) = delta else { continue };
            if self.choices.len() >= self.most && !self.choices.contains_key(&index) {
                return Err(too_many("choices"));
            }
            let said = self.choices.entry(index).or_default();
            let [role, tools] = members(event, &delta, &["role", "tool_calls"]);
            if let Some(role) = role.filter(|at| event[at.start] == b'"') {
                settled &= said.role;
                if std::mem::replace(&mut said.role, true) {
                    edits.push(Edit::new(edit::member(event, &role), Bytes::new()));
                }
            }
            let calls = elements(event, tools.as_ref()).filter(|call| event[call.start] == b'{');
            for call in calls {
                said.calls
                    .edit(event, &call, (self.request, index), edits)?;
            }
        }
        Ok(settled)
    }
}

/// The elements of the array at `array`, if it is one.
fn elements<'a>(
    event: &'a [u8],
    array: Option<&Range<usize>>,
) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let start = array.map_or(0, |array| array.start);
    let raw = array.map_or(&b""[..], |array| &event[array.clone()]);
    json::elements(raw).map(move |at| start + at.start..start + at.end)
}

/// Members of the object at `object`; none if it is no object.
fn members<const N: usize>(
    event: &[u8],
    object: &Range<usize>,
    names: &[&str; N],
) -> [Option<Range<usize>>; N] {
    let found = json::members(&event[object.clone()], names).unwrap_or([const { None }; N]);
    found.map(|at| at.map(|at| object.start + at.start..object.start + at.end))
}

#[cfg(test)]
mod tests;
