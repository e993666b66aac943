//! Statements whose text never changes, prepared once and kept.
//!
//! Diesel prepares an `UPDATE` anew each time, because its columns may differ from call to call. For the ledger, which
//! writes two of them for every request, that is most of the work.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

/// A value in the place of a question mark.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bind<'a> {
    Integer(Option<i64>),
    Text(Option<&'a str>),
}

impl From<i64> for Bind<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Bind<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Bind<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value)
    }
}

/// A kind of statement, told from others by its type.
pub(super) trait Statement: 'static {
    /// Its text, with a question mark for each value and none elsewhere.
    const TEXT: &'static str;
}

/// Runs a statement with these values and tells how many rows it changed.
pub(super) fn execute<S: Statement>(
    connection: &mut SqliteConnection,
    binds: &[Bind<'_>],
) -> QueryResult<usize> {
    let bound: Bound<'_, S> = Bound {
        binds,
        statement: PhantomData,
    };
    bound.execute(connection)
}

struct Bound<'a, S> {
    binds: &'a [Bind<'a>],
    statement: PhantomData<fn() -> S>,
}

impl<S: Statement> QueryId for Bound<'_, S> {
    type QueryId = Bound<'static, S>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement> QueryFragment<Sqlite> for Bound<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        let mut pieces = S::TEXT.split('?');
        out.push_sql(pieces.next().unwrap_or_default());
        for piece in pieces {
            match binds.next() {
                Some(Bind::Integer(value)) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                Some(Bind::Text(value)) => out.push_bind_param::<Nullable<Text>, _>(value)?,
                None => {
                    return Err(diesel::result::Error::QueryBuilderError(
                        "a value is missing".into(),
                    ));
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<S> RunQueryDsl<SqliteConnection> for Bound<'_, S> {}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;

    struct Insert;
    impl Statement for Insert {
        const TEXT: &'static str = "INSERT INTO t (a, b) VALUES (?, ?)";
    }

    struct Update;
    impl Statement for Update {
        const TEXT: &'static str = "UPDATE t SET b = ? WHERE a = ?";
    }

    diesel::table! {
        t (a) { a -> BigInt, b -> Nullable<Text> }
    }

    #[test]
    fn values_take_their_places_each_time_anew() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection
            .batch_execute("CREATE TABLE t (a BIGINT NOT NULL PRIMARY KEY, b TEXT)")
            .unwrap();
        for (number, text) in [(1, Some("x'; DROP TABLE t; --")), (2, None), (3, Some("z"))] {
            assert_eq!(
                execute::<Insert>(&mut connection, &[number.into(), text.into()]),
                Ok(1)
            );
        }
        assert_eq!(
            execute::<Update>(&mut connection, &["y".into(), Some(3).into()]),
            Ok(1)
        );
        assert_eq!(
            execute::<Update>(&mut connection, &["y".into(), Bind::Integer(None)]),
            Ok(0)
        );
        let rows: Vec<(i64, Option<String>)> = t::table.order(t::a).load(&mut connection).unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows,
            [(1, text("x'; DROP TABLE t; --")), (2, None), (3, text("y"))]
        );
    }

    #[test]
    fn a_missing_value_is_an_error_and_not_a_null() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        assert!(execute::<Insert>(&mut connection, &[1.into()]).is_err());
    }
}
