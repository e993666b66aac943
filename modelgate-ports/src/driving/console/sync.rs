//! Finding models on the configured servers, and adding those that are missing.

use std::sync::Arc;

use modelgate_domain::{BackendKind, Model, ModelName, Target};

use super::models::as_new;
use super::{Console, ConsoleError};
use crate::driven::{BackendFault, Discovered, NewModel, NewTarget, Timer};
use crate::driving::Server;

/// Which servers to look at and what to do with what is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncAsk {
    /// Only report, change nothing.
    pub dry_run: bool,
    /// Only servers of this kind.
    pub backend: Option<BackendKind>,
    /// Only models of these names, as the servers call them.
    pub select: Option<Vec<String>>,
}

/// What was found, server by server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// In the order of the settings.
    pub servers: Vec<ServerReport>,
}

/// What one server offers, compared with the models there are. All lists hold names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Kind of the server.
    pub kind: BackendKind,
    /// Its address.
    pub base_url: String,
    /// Models that were added, or would be in a dry run.
    pub added: Vec<String>,
    /// Models that were there already.
    pub present: Vec<String>,
    /// Of these, models whose context or capabilities are news.
    pub changed: Vec<String>,
    /// Models of ours that the server no longer offers. They are left alone.
    pub vanished: Vec<String>,
    /// Why the server, or one model, could not be taken.
    pub failed: Vec<String>,
    /// Nothing listens at its default address: no fault, and nothing to say.
    pub not_running: bool,
}

impl Console {
    /// Asks every configured server for its models and adds those whose name is still free.
    ///
    /// # Errors
    /// [`ConsoleError::Store`] when models cannot be written; servers that fail are only reported.
    pub async fn sync(&self, ask: &SyncAsk) -> Result<SyncReport, ConsoleError> {
        let mut report = SyncReport::default();
        for server in self
            .policy
            .servers
            .iter()
            .filter(|server| ask.backend.is_none_or(|kind| kind == server.upstream.kind))
        {
            report.servers.push(self.sync_server(server, ask).await?);
        }
        Ok(report)
    }

    async fn sync_server(
        &self,
        server: &Server,
        ask: &SyncAsk,
    ) -> Result<ServerReport, ConsoleError> {
        let mut report = ServerReport::empty(server);
        let Some(backend) = self.ports.backends.get(server.upstream.kind) else {
            return Ok(report);
        };
        match backend.discover(&server.upstream).await {
            Ok(offered) => {
                self.compare(server, ask, offered, &mut report).await?;
                Ok(report)
            }
            Err(error) => {
                let silent = matches!(
                    error.fault,
                    BackendFault::Unreachable | BackendFault::TimedOut(Timer::Connect)
                );
                report.not_running = server.is_default && silent;
                if !report.not_running {
                    report.failed.push(error.message);
                }
                Ok(report)
            }
        }
    }

    async fn compare(
        &self,
        server: &Server,
        ask: &SyncAsk,
        offered: Vec<Discovered>,
        report: &mut ServerReport,
    ) -> Result<(), ConsoleError> {
        let models = self.ports.catalog.models();
        let ours = models
            .all()
            .iter()
            .filter(|model| model.targets.iter().any(|target| is_at(target, server)));
        let gone = ours.filter(|model| {
            !model
                .targets
                .iter()
                .any(|target| offers(&offered, target, server))
        });
        report
            .vanished
            .extend(gone.map(|model| model.name.to_string()));
        for found in offered {
            if ask
                .select
                .as_ref()
                .is_some_and(|select| !select.contains(&found.name))
            {
                continue;
            }
            match self.ports.catalog.models().resolve(&found.name) {
                Some(model) => {
                    self.refresh(model, server, found, ask.dry_run, report)
                        .await?;
                }
                None => self.add(server, found, ask.dry_run, report).await?,
            }
        }
        Ok(())
    }

    /// A name that exists is reported. When it is this server's, what it tells of itself is taken over.
    async fn refresh(
        &self,
        model: &Arc<Model>,
        server: &Server,
        found: Discovered,
        dry_run: bool,
        report: &mut ServerReport,
    ) -> Result<(), ConsoleError> {
        let is_this = model
            .targets
            .iter()
            .any(|target| is_at(target, server) && target.upstream_name == found.name);
        let context = found.context_length.or(model.context_length);
        let capabilities = if found.capabilities.is_empty() {
            model.capabilities.clone()
        } else {
            found.capabilities
        };
        if is_this && (context != model.context_length || capabilities != model.capabilities) {
            if !dry_run {
                let new = NewModel {
                    context_length: context,
                    capabilities,
                    ..as_new(model)
                };
                self.ports.catalog.replace(model.id, &new).await?;
            }
            report.changed.push(found.name.clone());
        }
        report.present.push(found.name);
        Ok(())
    }

    async fn add(
        &self,
        server: &Server,
        found: Discovered,
        dry_run: bool,
        report: &mut ServerReport,
    ) -> Result<(), ConsoleError> {
        let name = match ModelName::new(&found.name) {
            Ok(name) => name,
            Err(error) => {
                report.failed.push(format!("a model's name {error}"));
                return Ok(());
            }
        };
        if !dry_run {
            self.ports
                .catalog
                .insert(&self.discovered(server, name, &found))
                .await?;
        }
        report.added.push(found.name);
        Ok(())
    }

    fn discovered(&self, server: &Server, name: ModelName, found: &Discovered) -> NewModel {
        let target = NewTarget {
            kind: server.upstream.kind,
            base_url: Some(server.upstream.base_url.clone()),
            upstream_name: found.name.clone(),
            // The adapter's own credential is used for its own address, so none is stored here.
            credential: None,
            priority: 0,
        };
        NewModel {
            name,
            aliases: Vec::new(),
            enabled: true,
            tiers: Vec::new(),
            options: modelgate_domain::model::ModelOptions::default(),
            context_length: found.context_length,
            capabilities: found.capabilities.clone(),
            targets: vec![target],
            created_at: self.ports.clock.now(),
        }
    }
}

impl ServerReport {
    fn empty(server: &Server) -> Self {
        Self {
            kind: server.upstream.kind,
            base_url: server.upstream.base_url.to_string(),
            added: Vec::new(),
            present: Vec::new(),
            changed: Vec::new(),
            vanished: Vec::new(),
            failed: Vec::new(),
            not_running: false,
        }
    }
}

fn is_at(target: &Target, server: &Server) -> bool {
    target.kind == server.upstream.kind
        && target.base_url.as_ref() == Some(&server.upstream.base_url)
}

fn offers(offered: &[Discovered], target: &Target, server: &Server) -> bool {
    is_at(target, server)
        && offered
            .iter()
            .any(|found| found.name == target.upstream_name)
}
