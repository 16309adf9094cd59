"""Search values that hold all words, then entities that do together.

By their values, and places in the tree.

A word occurs in a value, in its property's name, or is in the property's label in any language. The first way is one
look into the index (`core.store.indexes.search_index`). For the second the rarest word leads to entities; of these,
and of what is below those that are called so, all values are read, and the names of what they are below.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from core.errors import Refused
from core.schema import Property, Schema
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders
from core.store.content_table import find_contents
from core.store.indexes import search_index
from core.store.indexes.search_index import SearchHit, SearchTerm
from core.store.scope import Scope
from core.value_codec import Ref, Value, encode_value, normalized
from core.values import boolean_word, stored_words

MAX_QUERY_CHARS = 200
MAX_ENTITIES = 700
"""Entities that are looked at for words that no single value holds together; one word more finds the rest."""
MAX_HITS_FOR_COMBINING = 100
"""Leaves from which on nothing more is looked for that holds several words together."""
_MAX_TREE_DEPTH = 4
_MAX_LABELS = 6
_MAX_HINTS = 500
_PAIRS_PER_FETCH, _ENTITIES_PER_STEP = 100, 200


@dataclass(frozen=True, slots=True)
class _TermStats:
    """Where a word occurs.

    The latest and the first pairs that hold it, their properties, and how many leaves there are.
    """

    pairs: list[int]
    properties: set[int]
    leaves: int


def search_leaves(
    connection: sqlite3.Connection, scope: Scope, text: str, schema: Schema, limit: int, kind: str | None = None
) -> list[SearchHit]:
    """Find leaves that hold all words of `text`, keys and titles first.

    Then the latest; then leaves of entities that hold them together. Only of entities of a kind if one is given.

    A search that finds very much looks at the latest only: one word more finds the rest. Raises Refused for a text that
    is too long.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise Refused("A search may have {limit} characters at most.", limit=MAX_QUERY_CHARS)
    text = normalized(text)
    found = _search_words(connection, scope, text, schema, limit, kind)
    stored = stored_words(text)
    if stored != text and len(found) < limit:
        known = {(leaf.entity, leaf.property) for leaf in found}
        more = _search_words(connection, scope, stored, schema, limit, kind)
        found += [leaf for leaf in more if (leaf.entity, leaf.property) not in known]
    return found[:limit]


def _search_words(
    connection: sqlite3.Connection, scope: Scope, text: str, schema: Schema, limit: int, kind: str | None
) -> list[SearchHit]:
    words = [_make_term(part, schema) for part in dict.fromkeys(text.replace("\0", " ").casefold().split())]
    if not words:
        return []
    called = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    found: list[SearchHit] = []
    pairs = search_index.find_pairs(connection, words)
    while len(found) < limit and (portion := pairs.fetchmany(_PAIRS_PER_FETCH)):
        found += search_index.find_leaves(
            connection, scope, [pair for (pair,) in portion], called, limit - len(found), kind
        )
    found.sort(key=lambda leaf: leaf.property not in called)
    if len(words) > 1 and (lacking := min(limit, MAX_HITS_FOR_COMBINING) - len(found)) > 0:
        found += _find_combined(connection, scope, words, schema, {leaf.entity for leaf in found}, lacking, kind)
    return found[:limit]


def _make_term(text: str, schema: Schema) -> SearchTerm:
    """A word, with the properties whose labels have it.

    One that many labels have says nothing about a property.
    """
    boolean = boolean_word(text)
    if len(text) < search_index.TRIGRAM_CHARS:
        return SearchTerm(text, boolean=boolean)
    props: Iterable[Property] = (prop for kind in schema.kinds.values() for prop in kind.properties.values())
    names = {
        p.name for p in props if text not in p.name and any(text in label.casefold() for label in p.labels.values())
    }
    return SearchTerm(text, tuple(sorted(names)) if len(names) <= _MAX_LABELS else (), boolean)


def _find_combined(
    connection: sqlite3.Connection,
    scope: Scope,
    words: list[SearchTerm],
    schema: Schema,
    known: set[bytes],
    wanted: int,
    kind: str | None,
) -> list[SearchHit]:
    """Find leaves of entities that hold all words together.

    In several values or in the names of what they are below.
    """
    reader = _EntityReader(connection, scope, schema)
    hints = {word: _read_term_stats(reader, word) for word in words}
    rarest = min(words, key=lambda word: hints[word].leaves)
    looked_at = reader.naming_properties.union(*(hint.properties for hint in hints.values()))
    candidates = iter(_candidate_entities(reader, hints[rarest]))
    found: list[SearchHit] = []
    while len(found) < wanted and (some := list(islice(candidates, _ENTITIES_PER_STEP))):
        paths = reader.ancestor_names(some)
        for word in sorted(words, key=lambda word: (word is rarest, len(hints[word].properties))):
            lacking = [entity for entity in some if word.text not in paths[entity]]
            values = reader.read(lacking, hints[word].properties)
            gone = {entity for entity in lacking if not any(_contains(word, *each) for each in values.get(entity, ()))}
            some = [entity for entity in some if entity not in gone]
        values = reader.read(some, looked_at)
        for entity, name in reader.entities(some, kind).items():
            if name not in known:
                found += _fewest_hits(name, values.get(entity, []), words, paths[entity], reader)
    return found


PropertyValues = list[tuple[str, Value]]


class _EntityReader:
    """Reads what entities say and what they are below.

    Entities and properties are row ids, as long as many are looked at; what was read once is kept.
    """

    def __init__(self, connection: sqlite3.Connection, scope: Scope, schema: Schema) -> None:
        self.connection = connection
        self._scope = scope
        ids = {name: each for each, name in connection.execute("SELECT id, name FROM properties")}
        kinds = schema.kinds.values()
        self._names = {each: name for name, each in ids.items()}
        self._parents = {ids[kind.parent] for kind in kinds if kind.parent in ids}
        self.naming_properties = {ids[name] for kind in kinds for name in (kind.key, kind.title) if name in ids}
        self._naming_property_names = {name for kind in kinds for name in (kind.key, kind.title)}
        self._values: dict[bytes, Value] = {}
        self._ancestors: dict[int, tuple[str, int | None]] = {}

    def is_naming_property(self, name: str) -> bool:
        """Whether a property is what entities are called by."""
        return name in self._naming_property_names

    def select(self, what: str, condition: str) -> sqlite3.Cursor:
        """Of the leaves `f` that meet a condition."""
        query = f"SELECT {what} FROM {condition} AND {self._scope.leaves_condition}"
        return self.connection.execute(query, {"moment": self._scope.at_us})

    def entities_with_pairs(self, pairs: list[int], limit: int) -> list[tuple[int, int]]:
        """Entities that state one of these contents, each with the property."""
        same = f"s.id IN ({_id_list(pairs)}) AND f.content = s.id"
        cursor = self.select("f.entity, f.property", f"contents s CROSS JOIN {self._scope.facts_source} WHERE {same}")
        return cursor.fetchmany(limit)

    def read(self, entities: Iterable[int], properties: set[int]) -> dict[int, PropertyValues]:
        """What these entities say of these properties."""
        where = f"f.entity IN ({_id_list(entities)}) AND f.property IN ({_id_list(properties)})"
        found: dict[int, PropertyValues] = {}
        for entity, name, data in self.select(
            f"f.entity, f.property, {VALUE_SQL}", f"{self._scope.facts_source} WHERE {where}"
        ):
            if data not in self._values:
                self._values[data] = load_value(data)
            found.setdefault(entity, []).append((self._names[name], self._values[data]))
        return found

    def children_of(self, entities: Sequence[int], limit: int) -> list[int]:
        """What is right below these entities."""
        found: list[int] = []
        for some in chunks(list(self.entities(entities).values())):
            stated = [(prop, encode_value(Ref(entity))) for prop in self._parents for entity in some]
            contents = find_contents(self.connection, stated).values()
            where = f"f.content IN ({_id_list(contents)})"
            rows = self.select("f.entity", f"{self._scope.facts_source} WHERE {where}")
            found += [entity for (entity,) in rows.fetchmany(limit - len(found))]
        return found

    def entities(self, ids: Sequence[int], kind: str | None = None) -> dict[int, bytes]:
        """The entities with these row ids, in this order.

        Only those of a kind if one is given.
        """
        query = f"SELECT id, entity FROM entities WHERE id IN ({_id_list(ids)})"
        if kind is not None:
            query += f" AND {search_index.kind_condition('entities.id')}"
        rows = dict(self.connection.execute(query, {"kind": encode_value(kind)}))
        return {each: rows[each] for each in ids if each in rows}

    def ancestor_names(self, entities: Sequence[int]) -> dict[int, str]:
        """The names of what each of these entities is below, casefolded."""
        unders = level = self._parents_of(self.read(entities, self._parents))
        for _ in range(_MAX_TREE_DEPTH):
            unknown = {under for under in level.values() if under not in self._ancestors}
            read = self.read(unknown, self.naming_properties | self._parents)
            level = self._parents_of(read)
            for entity in unknown:
                texts = (str(value).casefold() for _name, value in read.get(entity, ()) if not isinstance(value, Ref))
                self._ancestors[entity] = "\n".join(texts), level.get(entity)
        return {entity: self._path(unders.get(entity)) for entity in entities}

    def _path(self, entity: int | None) -> str:
        texts: list[str] = []
        while entity is not None and entity in self._ancestors and len(texts) < _MAX_TREE_DEPTH:
            text, entity = self._ancestors[entity]
            texts.append(text)
        return "\n".join(texts)

    def _parents_of(self, read: Mapping[int, PropertyValues]) -> dict[int, int]:
        """What each is right below, of those of which it was read."""
        refs = {
            entity: value.entity for entity, values in read.items() for _n, value in values if isinstance(value, Ref)
        }
        ids: dict[bytes, int] = {}
        for some in chunks(list(set(refs.values()))):
            query = f"SELECT entity, id FROM entities WHERE entity IN ({placeholders(some)})"
            ids.update(self.connection.execute(query, some))
        return {entity: ids[ref] for entity, ref in refs.items() if ref in ids}


def _id_list(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _read_term_stats(reader: _EntityReader, word: SearchTerm) -> _TermStats:
    pairs = [pair for (pair,) in search_index.find_pairs(reader.connection, [word], _MAX_HINTS)]
    if len(pairs) == _MAX_HINTS:
        # What many say was said long ago for the first time: of a common word that is worth knowing, too.
        pairs += [pair for (pair,) in search_index.find_pairs(reader.connection, [word], _MAX_HINTS, latest=False)]
    properties = reader.connection.execute(f"SELECT DISTINCT property FROM contents WHERE id IN ({_id_list(pairs)})")
    return _TermStats(pairs, {each for (each,) in properties}, len(reader.entities_with_pairs(pairs, MAX_ENTITIES)))


def _candidate_entities(reader: _EntityReader, hint: _TermStats) -> list[int]:
    """Find the entities of which one of the pairs is, and what is below them.

    Below those that are called so.
    """
    saying = reader.entities_with_pairs(hint.pairs, MAX_ENTITIES)
    found = dict.fromkeys(entity for entity, _property in saying)
    level = list(dict.fromkeys(entity for entity, name in saying if name in reader.naming_properties))
    for _ in range(_MAX_TREE_DEPTH):
        if not level or len(found) > MAX_ENTITIES:
            break
        level = [each for each in dict.fromkeys(reader.children_of(level, MAX_ENTITIES)) if each not in found]
        found.update(dict.fromkeys(level))
    return list(found)[:MAX_ENTITIES]


def _contains(word: SearchTerm, name: str, value: Value) -> bool:
    if isinstance(value, bool):
        return word.boolean is value
    text = search_index.indexed_text(name, value)
    return bool(text) and word.occurs_in(name, text)


def _fewest_hits(
    entity: bytes, leaves: PropertyValues, words: list[SearchTerm], path: str, reader: _EntityReader
) -> list[SearchHit]:
    """Find the fewest leaves of an entity that show where the words are.

    Those which its name and its place in the tree do not tell; none if no word is said of itself.
    """
    holds = [(SearchHit(entity, *each), {word for word in words if _contains(word, *each)}) for each in leaves]
    holds.sort(key=lambda each: not reader.is_naming_property(each[0].property))
    if not any(held for _leaf, held in holds):
        return []
    shown = {word for word in words if word.text in path}
    shown.update(*(held for leaf, held in holds if reader.is_naming_property(leaf.property)))
    lines: list[SearchHit] = []
    lacking = set(words) - shown
    while lacking:
        leaf, held = max(holds, key=lambda each: len(each[1] & lacking))
        lines.append(leaf)
        lacking -= held
    return lines or [max(holds, key=lambda each: len(each[1]))[0]]
