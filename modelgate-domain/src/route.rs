//! Which targets may answer a request, and in which order.

use crate::key::ApiKey;
use crate::model::{Model, Target};

/// Why no target may answer. Clients are told the same for all, so that nobody learns of models that are not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// The model is switched off.
    #[error("the model is disabled")]
    Disabled,
    /// The key's list does not hold it, or its tier may not use it.
    #[error("the key may not use the model")]
    NotAllowed,
}

/// Whether `key` may use `model` at all.
///
/// # Errors
/// [`NoRoute`], which clients see as an unknown model.
pub fn allowed(model: &Model, key: &ApiKey) -> Result<(), NoRoute> {
    if !model.enabled {
        return Err(NoRoute::Disabled);
    }
    let tier_fits = model.tiers.is_empty()
        || key
            .tier
            .as_ref()
            .is_some_and(|tier| model.tiers.contains(tier));
    if !tier_fits || !key.allows(&model.name) {
        return Err(NoRoute::NotAllowed);
    }
    Ok(())
}

/// The targets of a model in the order to try: lower priority first, equals as they were entered.
pub fn order(model: &Model) -> Vec<&Target> {
    let mut targets: Vec<&Target> = model.targets.iter().collect();
    targets.sort_by_key(|target| target.priority);
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AllowList;
    use crate::id::{KeyId, KeyName, ModelId, ModelName, TargetId};
    use crate::key::{KeyStatus, Role};
    use crate::model::{BackendKind, ModelOptions};
    use crate::rate::Limits;
    use crate::time::Timestamp;

    fn name(text: &str) -> ModelName {
        ModelName::new(text).unwrap()
    }

    fn model(enabled: bool, tiers: &[&str], priorities: &[i32]) -> Model {
        let target = |(index, &priority): (usize, &i32)| Target {
            id: TargetId(i64::try_from(index).unwrap()),
            kind: BackendKind::Echo,
            base_url: None,
            upstream_name: "m".into(),
            credential: None,
            priority,
        };
        Model {
            id: ModelId(1),
            name: name("m"),
            aliases: vec![name("fast")],
            enabled,
            tiers: tiers.iter().map(|&tier| tier.into()).collect(),
            options: ModelOptions::default(),
            context_length: None,
            capabilities: Vec::new(),
            targets: priorities.iter().enumerate().map(target).collect(),
            created_at: Timestamp::default(),
        }
    }

    fn key(tier: Option<&str>, models: &[&str]) -> ApiKey {
        ApiKey {
            id: KeyId(1),
            name: KeyName::new("k").unwrap(),
            role: Role::User,
            status: KeyStatus::Active,
            tier: tier.map(Into::into),
            default_model: None,
            allowed_models: models.iter().map(|&model| name(model)).collect(),
            allowed_ips: AllowList::default(),
            limits: Limits::default(),
            quota: None,
            expires_at: None,
            created_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_key_uses_what_its_list_and_tier_allow() {
        let check = |enabled: bool, tiers: &[&str], key: &ApiKey, expected: Result<(), NoRoute>| {
            assert_eq!(allowed(&model(enabled, tiers, &[]), key), expected);
        };
        check(true, &[], &key(None, &[]), Ok(()));
        check(false, &[], &key(None, &[]), Err(NoRoute::Disabled));
        check(true, &[], &key(None, &["m"]), Ok(()));
        check(true, &[], &key(None, &["M"]), Err(NoRoute::NotAllowed));
        check(true, &[], &key(None, &["fast"]), Err(NoRoute::NotAllowed));
        check(true, &["gold"], &key(None, &[]), Err(NoRoute::NotAllowed));
        check(
            true,
            &["gold"],
            &key(Some("silver"), &[]),
            Err(NoRoute::NotAllowed),
        );
        check(true, &["gold", "silver"], &key(Some("silver"), &[]), Ok(()));
    }

    #[test]
    fn targets_are_tried_by_priority_and_then_as_entered() {
        let order: Vec<i64> = order(&model(true, &[], &[5, 0, 5, -1]))
            .iter()
            .map(|target| target.id.0)
            .collect();
        assert_eq!(order, [3, 1, 0, 2]);
    }
}
