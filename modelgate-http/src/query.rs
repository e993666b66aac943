//! The query of a request target, field by field.

use crate::form::FormError;
use crate::percent;

/// Fields of a query, each asked for once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&..`.
    pub(crate) fn read(raw: Option<&str>) -> Result<Self, FormError> {
        let pairs = raw
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        let fields: Option<Vec<_>> = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((percent::decode(name)?, percent::decode(value)?))
            })
            .collect();
        fields
            .map(Self)
            .ok_or_else(|| FormError::value("query", "holds a broken percent escape"))
    }

    /// The value of a field, and what it means.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, FormError> {
        let Some(at) = self.0.iter().position(|(field, _)| field == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.remove(at);
        read(&value)
            .map(Some)
            .ok_or_else(|| FormError::value(name, expected))
    }

    /// Every field was asked for.
    pub(crate) fn finish(self) -> Result<(), FormError> {
        self.0
            .into_iter()
            .next()
            .map_or(Ok(()), |(name, _)| Err(FormError::unknown(&name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_and_strangers_are_named() {
        let number = |text: &str| text.parse::<u32>().ok();
        let mut query = Query::read(Some("limit=5&key=%33&&x")).unwrap();
        assert_eq!(query.take("limit", "a number", number).unwrap(), Some(5));
        assert_eq!(query.take("key", "a number", number).unwrap(), Some(3));
        assert_eq!(query.take("before", "a number", number).unwrap(), None);
        assert_eq!(query.finish().unwrap_err().param.as_deref(), Some("x"));
        assert!(Query::read(None).unwrap().finish().is_ok());
        assert!(Query::read(Some("a=%zz")).is_err());
        let mut bad = Query::read(Some("limit=x")).unwrap();
        assert_eq!(
            bad.take("limit", "must be a number", number)
                .unwrap_err()
                .param
                .as_deref(),
            Some("limit")
        );
    }
}
