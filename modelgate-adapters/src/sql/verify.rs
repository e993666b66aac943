//! Whether balances say what the rows say.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use modelgate_ports::driven::StoreError;

use modelgate_domain::KeyId;

use super::Database;
use super::error::unavailable;

/// A key whose balance is not the sum of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imbalance {
    /// The key.
    pub key: KeyId,
    /// Spent, as its balance says.
    pub used: i64,
    /// Spent, as its rows say.
    pub used_by_rows: i64,
    /// Promised, as its balance says.
    pub reserved: i64,
    /// Promised, as its open rows say.
    pub reserved_by_rows: i64,
}

#[derive(QueryableByName)]
struct Sums {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    used: i64,
    #[diesel(sql_type = BigInt)]
    used_by_rows: i64,
    #[diesel(sql_type = BigInt)]
    reserved: i64,
    #[diesel(sql_type = BigInt)]
    reserved_by_rows: i64,
}

const DIFFERENCES: &str = "
    SELECT * FROM (
        SELECT k.id, k.used, k.reserved,
            COALESCE(SUM(CASE WHEN u.state IN ('settled', 'recovered') AND u.admitted >= k.quota_since
                THEN u.prompt + u.completion END), 0) AS used_by_rows,
            COALESCE(SUM(CASE WHEN u.state = 'open' THEN u.reserved END), 0) AS reserved_by_rows
        FROM api_keys k LEFT JOIN usage u ON u.key_id = k.id
        GROUP BY k.id, k.used, k.reserved
    ) AS sums
    WHERE used <> used_by_rows OR reserved <> reserved_by_rows
    ORDER BY id";

impl Database {
    /// Keys whose balance differs from their rows: none, unless something outside this program changed the file. Reads
    /// every row.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn verify_balances(&self) -> Result<Vec<Imbalance>, StoreError> {
        let sums = self
            .read(|connection| {
                diesel::sql_query(DIFFERENCES)
                    .load::<Sums>(connection)
                    .map_err(unavailable)
            })
            .await?;
        Ok(sums.into_iter().map(Imbalance::from).collect())
    }
}

impl From<Sums> for Imbalance {
    fn from(sums: Sums) -> Self {
        let Sums {
            id,
            used,
            used_by_rows,
            reserved,
            reserved_by_rows,
        } = sums;
        Self {
            key: KeyId(id),
            used,
            used_by_rows,
            reserved,
            reserved_by_rows,
        }
    }
}
