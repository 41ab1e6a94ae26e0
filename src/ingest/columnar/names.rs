//! The customers and texts of all files, numbered once for all threads.
//!
//! Numbers given here depend on which thread came first. Nothing that leaves this module does:
//! customers are put in the order of (placement, key), symbols in that of their first row.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transaction::{CustomerId, Symbol, SymbolTable};

/// The number of "not given" among texts and customers.
pub(super) const ABSENT: u32 = 0;

/// A map whose keys are spread by one multiplication (integers) or by XXH3 (texts).
pub(super) type FoldMap<K, V> = HashMap<K, V, BuildHasherDefault<FoldHasher>>;

/// The hasher of a [`FoldMap`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FoldHasher(u64);

impl FoldHasher {
    fn fold(&mut self, value: u64) {
        // 2^64 divided by the golden ratio; the high half of the product depends on every bit.
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for FoldHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.fold(xxhash_rust::xxh3::xxh3_64(bytes));
    }

    fn write_u8(&mut self, _: u8) {
        // The end mark of a text: texts are hashed alone, so it tells nothing apart.
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_u128(&mut self, value: u128) {
        self.fold(value as u64);
        self.fold((value >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What one product and category are on a line, or a line's surroundings: texts that go together.
#[derive(Clone, Copy, Debug)]
struct Group<const N: usize> {
    texts: [u32; N],
    /// The first row that has it, over all files.
    first_row: u64,
}

/// Product and whole category path.
pub(super) type Item = [u32; 2];
/// Channel, store, promotion, country.
pub(super) type Context = [u32; 4];

#[derive(Debug, Default)]
struct Tables {
    customer_numbers: FoldMap<CustomerId, u32>,
    /// Each with whether a line bears it.
    customers: Vec<(CustomerId, bool)>,
    text_numbers: FoldMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    item_numbers: FoldMap<u64, u32>,
    items: Vec<Group<2>>,
    context_numbers: FoldMap<u128, u32>,
    contexts: Vec<Group<4>>,
}

/// The tables that all threads share. Each thread remembers what it asked, so it asks seldom.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Tables>);

/// The names when all files have been read.
#[derive(Debug)]
pub(super) struct FinalNames {
    /// The texts in the order of their first appearance on an accepted line.
    pub(super) symbols: Arc<SymbolTable>,
    /// Item -> product and top category.
    pub(super) items: Vec<[Symbol; 2]>,
    /// Context -> channel, store, promotion.
    pub(super) contexts: Vec<[Symbol; 3]>,
    /// In the order of (placement, key).
    pub(super) customers: Vec<CustomerId>,
    /// Number of a customer less one -> its place in `customers`.
    pub(super) ranks: Vec<u32>,
}

impl Names {
    /// The number of a customer, from 1.
    pub(super) fn customer(&self, customer: &CustomerId) -> u32 {
        let tables = &mut *self.tables();
        if let Some(number) = tables.customer_numbers.get(customer) {
            return *number;
        }
        tables.customers.push((customer.clone(), false));
        let number = tables.customers.len() as u32;
        tables.customer_numbers.insert(customer.clone(), number);
        number
    }

    /// The customer of a number that a line bears. Customers of refused rows only do not count.
    pub(super) fn use_customer(&self, number: u32) -> Option<CustomerId> {
        let index = (number as usize).checked_sub(1)?;
        let tables = &mut *self.tables();
        let customer = tables.customers.get_mut(index)?;
        customer.1 = true;
        Some(customer.0.clone())
    }

    /// The number of a text, from 1.
    pub(super) fn text(&self, text: &str) -> u32 {
        self.tables().text(text)
    }

    /// The text of a number; empty for [`ABSENT`].
    pub(super) fn text_of(&self, number: u32) -> Arc<str> {
        self.tables().text_of(number)
    }

    /// The number of an item that a thread meets for the first time, in `row`.
    pub(super) fn item(&self, item: Item, row: u64) -> u32 {
        let tables = &mut *self.tables();
        let [product, category] = item.map(u64::from);
        let key = product << 32 | category;
        remember(&mut tables.item_numbers, &mut tables.items, key, item, row)
    }

    /// The same for a context.
    pub(super) fn context(&self, context: Context, row: u64) -> u32 {
        let tables = &mut *self.tables();
        let key = context_key(context);
        remember(&mut tables.context_numbers, &mut tables.contexts, key, context, row)
    }

    /// Orders everything.
    pub(super) fn finish(self) -> FinalNames {
        let mut tables = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let tops = tables.tops();
        let symbols = tables.symbols(&tops);
        let symbol = |text: u32| symbols.of_text.get(text as usize).copied().unwrap_or_default();
        let items = tables.items.iter().zip(&tops);
        let items = items.map(|(item, top)| [symbol(item.texts[0]), symbol(*top)]).collect();
        let contexts = tables.contexts.iter().map(|context| {
            let [channel, store, promotion, _] = context.texts;
            [symbol(channel), symbol(store), symbol(promotion)]
        });
        let contexts = contexts.collect();
        let used = (0_u32..).zip(&tables.customers).filter(|(_, (_, is_used))| *is_used);
        let mut order: Vec<(i64, u32)> = used.map(|(at, (id, _))| (id.placement(), at)).collect();
        let id = |at: u32| tables.customers.get(at as usize).map(|(id, _)| id);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
        let mut ranks = vec![0; tables.customers.len()];
        for (rank, (_, at)) in (0..).zip(&order) {
            if let Some(place) = ranks.get_mut(*at as usize) {
                *place = rank;
            }
        }
        let customers = order.iter().filter_map(|(_, at)| id(*at).cloned()).collect();
        FinalNames { symbols: Arc::new(symbols.table), items, contexts, customers, ranks }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The texts of a context as one key.
pub(super) fn context_key(context: Context) -> u128 {
    context.iter().fold(0, |key, text| key << 32 | u128::from(*text))
}

fn remember<K: Eq + std::hash::Hash, const N: usize>(
    numbers: &mut FoldMap<K, u32>,
    groups: &mut Vec<Group<N>>,
    key: K,
    texts: [u32; N],
    row: u64,
) -> u32 {
    let number = *numbers.entry(key).or_insert(groups.len() as u32);
    match groups.get_mut(number as usize) {
        Some(group) => group.first_row = group.first_row.min(row),
        None => groups.push(Group { texts, first_row: row }),
    }
    number
}

struct Symbols {
    table: SymbolTable,
    /// Text number -> symbol; none for texts of refused rows.
    of_text: Vec<Symbol>,
}

impl Tables {
    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.text_numbers.get(text) {
            return *number;
        }
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        let number = self.texts.len() as u32;
        self.text_numbers.insert(text, number);
        number
    }

    fn text_of(&self, number: u32) -> Arc<str> {
        let index = (number as usize).checked_sub(1);
        index.and_then(|index| self.texts.get(index)).cloned().unwrap_or_default()
    }

    /// The first part of each item's category path.
    fn tops(&mut self) -> Vec<u32> {
        let categories: Vec<u32> = self.items.iter().map(|item| item.texts[1]).collect();
        let top = |category: u32| {
            let path = self.text_of(category);
            match path.split('/').next() {
                Some(top) if !top.is_empty() => self.text(top),
                _ => ABSENT,
            }
        };
        categories.into_iter().map(top).collect()
    }

    /// Symbols in the order in which the rows, read one after the other, would have named them:
    /// product, category, channel, store, promotion of each.
    fn symbols(&self, tops: &[u32]) -> Symbols {
        let mut first = vec![(u64::MAX, 0_u8); self.texts.len() + 1];
        let mut see = |text: u32, row: u64, field: u8| {
            if let Some(first) = first.get_mut(text as usize) {
                *first = (*first).min((row, field));
            }
        };
        for (item, top) in self.items.iter().zip(tops) {
            see(item.texts[0], item.first_row, 0);
            see(*top, item.first_row, 1);
        }
        for context in &self.contexts {
            let [channel, store, promotion, _] = context.texts;
            for (field, text) in (2..).zip([channel, store, promotion]) {
                see(text, context.first_row, field);
            }
        }
        let seen = (0..).zip(first).skip(1).filter(|(_, (row, _))| *row < u64::MAX);
        let mut seen: Vec<((u64, u8), u32)> = seen.map(|(text, first)| (first, text)).collect();
        seen.sort_unstable();
        let mut table = SymbolTable::default();
        let mut of_text = vec![Symbol::NONE; self.texts.len() + 1];
        for (_, text) in seen {
            if let Some(symbol) = of_text.get_mut(text as usize) {
                *symbol = table.intern(Some(&self.text_of(text)));
            }
        }
        Symbols { table, of_text }
    }
}
