//! The stock of key packages, as the plainest reading has it.

use std::collections::BTreeSet;

use chat_core::access::DeviceId;
use chat_core::jid::AccountId;
use chat_core::mls::claim::STOCK_MAX;
use chat_core::mls::{
    ClaimedKeyPackage, KeyPackageClaim, KeyPackageRef, KeyPackageStock, LeafName, NewKeyPackage,
};

#[derive(Clone, Default)]
pub struct KeyPackages {
    /// Oldest first.
    stock: Vec<(LeafName, NewKeyPackage)>,
    given_out: Vec<(AccountId, LeafName, NewKeyPackage)>,
}

impl KeyPackages {
    pub fn put(&mut self, owner: &LeafName, packages: Vec<NewKeyPackage>) {
        for package in packages {
            if self.stock.iter().any(|(_, known)| known.reference == package.reference) {
                continue;
            }
            if package.is_last_resort {
                self.stock.retain(|(of, known)| of != owner || !known.is_last_resort);
            }
            self.stock.push((owner.clone(), package));
        }
        while self.stock(owner).single_use > STOCK_MAX {
            let oldest = self.stock.iter().position(|(of, it)| of == owner && !it.is_last_resort);
            self.stock.remove(oldest.unwrap());
        }
    }

    pub fn remove(&mut self, account: AccountId, device: &DeviceId) {
        let is_its = |name: &LeafName| name.account == account && name.device == *device;
        self.stock.retain(|(owner, _)| !is_its(owner));
        self.given_out.retain(|(_, owner, _)| !is_its(owner));
    }

    pub fn remove_all(&mut self, account: AccountId) {
        self.stock.retain(|(owner, _)| owner.account != account);
        self.given_out.retain(|(to, owner, _)| owner.account != account && *to != account);
    }

    pub fn remove_ended(&mut self, until_unix_s: u64) {
        self.stock.retain(|(_, package)| package.ends_unix_s > until_unix_s);
        self.given_out.retain(|(_, _, package)| package.ends_unix_s > until_unix_s);
    }

    pub fn use_up(&mut self, claimant: AccountId, references: &[KeyPackageRef]) {
        self.given_out
            .retain(|(to, _, package)| *to != claimant || !references.contains(&package.reference));
    }

    pub fn claim(&mut self, claim: &KeyPackageClaim) -> Vec<ClaimedKeyPackage> {
        let mut claimed = Vec::new();
        for account in &claim.targets {
            let owners = self.stock.iter().map(|(owner, _)| owner);
            let devices: BTreeSet<&str> = owners
                .filter(|owner| owner.account == *account && **owner != claim.claimant)
                .map(|owner| owner.device.as_str())
                .collect();
            let devices: Vec<DeviceId> = devices.iter().map(|id| id.parse().unwrap()).collect();
            for device in devices {
                let owner = LeafName { account: *account, device };
                claimed.extend(self.claim_of(&owner, claim));
            }
        }
        claimed
    }

    fn claim_of(&mut self, owner: &LeafName, claim: &KeyPackageClaim) -> Option<ClaimedKeyPackage> {
        let of_owner = |(of, package): &&(LeafName, NewKeyPackage)| {
            of == owner && package.ends_unix_s > claim.now_unix_s
        };
        let mut packages = self.stock.iter().filter(of_owner).map(|(_, package)| package);
        let last_resort = packages.clone().find(|package| package.is_last_resort);
        let taken = packages.find(|package| !package.is_last_resort).or(last_resort)?.clone();
        if !taken.is_last_resort {
            self.stock.retain(|(_, package)| package.reference != taken.reference);
        }
        self.given_out.push((claim.claimant.account, owner.clone(), taken.clone()));
        Some(ClaimedKeyPackage {
            account: owner.account,
            device: owner.device.clone(),
            reference: taken.reference,
            package: taken.bytes,
            left: self.stock(owner).single_use,
        })
    }

    pub fn stock(&self, owner: &LeafName) -> KeyPackageStock {
        let packages = self.stock.iter().filter(|(of, _)| of == owner);
        let last_resorts = packages.clone().filter(|(_, package)| package.is_last_resort).count();
        let single_use = packages.count() - last_resorts;
        KeyPackageStock {
            single_use: u32::try_from(single_use).unwrap(),
            has_last_resort: last_resorts > 0,
        }
    }

    pub fn given_out(&self, to: AccountId, references: &[KeyPackageRef]) -> Vec<KeyPackageRef> {
        let is_given = |reference: &&KeyPackageRef| {
            let is_it = |(claimant, _, package): &(AccountId, LeafName, NewKeyPackage)| {
                *claimant == to && package.reference == **reference
            };
            self.given_out.iter().any(is_it)
        };
        references.iter().filter(is_given).copied().collect()
    }
}
