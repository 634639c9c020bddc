//! The configured providers.

use super::inbound::Decode;
use super::oauth::{Apps, Grants};
use super::outbound::Hooks;
use crate::domain::repo::{Instance, ProviderKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The configured providers.
#[derive(Clone, Default)]
pub struct Providers {
    decoders: BTreeMap<ProviderKind, Arc<dyn Decode>>,
    hooks: BTreeMap<Instance, Arc<dyn Hooks>>,
    grants: BTreeMap<Instance, Arc<dyn Grants>>,
    apps: BTreeMap<Instance, Arc<dyn Apps>>,
    web: BTreeMap<Instance, String>,
}

impl Providers {
    /// Adds the dialect of a kind of provider.
    pub fn add_decoder(&mut self, provider: ProviderKind, decoder: Arc<dyn Decode>) {
        self.decoders.insert(provider, decoder);
    }

    /// Adds an installation.
    pub fn add_instance(&mut self, instance: Instance, hooks: Arc<dyn Hooks>) {
        self.hooks.insert(instance, hooks);
    }

    /// Adds the base of an installation's web pages.
    pub fn add_web(&mut self, instance: Instance, base: &str) {
        let base = base.trim_end_matches('/').to_owned();
        self.web.insert(instance, base);
    }

    /// The base of an installation's web pages, without a slash at its end; `None` when it is not
    /// configured.
    pub fn web(&self, instance: &Instance) -> Option<&str> {
        self.web.get(instance).map(String::as_str)
    }

    /// Adds the sign-in of an installation.
    pub fn add_grants(&mut self, instance: Instance, grants: Arc<dyn Grants>) {
        self.grants.insert(instance, grants);
    }

    /// Adds our app at an installation.
    pub fn add_apps(&mut self, instance: Instance, apps: Arc<dyn Apps>) {
        self.apps.insert(instance, apps);
    }

    /// The sign-in of an installation; `None` when it is not configured.
    pub fn grants(&self, instance: &Instance) -> Option<&Arc<dyn Grants>> {
        self.grants.get(instance)
    }

    /// Our app at an installation; `None` when it is not configured.
    pub fn apps(&self, instance: &Instance) -> Option<&Arc<dyn Apps>> {
        self.apps.get(instance)
    }

    /// The dialect of a kind of provider; `None` when it is not supported.
    pub fn decoder(&self, provider: ProviderKind) -> Option<&Arc<dyn Decode>> {
        self.decoders.get(&provider)
    }

    /// An installation; `None` when it is not configured.
    pub fn hooks(&self, instance: &Instance) -> Option<&Arc<dyn Hooks>> {
        self.hooks.get(instance)
    }

    /// The installations of a kind, in order of host name.
    pub fn instances(&self, provider: ProviderKind) -> impl Iterator<Item = &Instance> {
        self.hooks
            .keys()
            .filter(move |instance| instance.provider == provider)
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.hooks.keys()).finish()
    }
}
