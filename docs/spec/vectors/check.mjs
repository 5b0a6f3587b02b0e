// Runs the test vectors of this folder against a second implementation, written
// from the pages of docs/spec and sharing nothing with the Go code: other
// language, other JSON parser, other cryptographic library.
//
//	node check.mjs [FILE.json…]
//
// Needs node 20 and no packages; ML-DSA-44 signatures are verified from node 24
// on, and only their messages before. Prints a line for each file, one for each
// vector that fails, and "N passed, N failed"; exits 1 if any fails. It may be
// read as an example of how to verify an opening; it is no library.

import { createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, verify as verifySignature } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'

const hex = (s) => Buffer.from(s, 'hex')
const ascii = (s) => Buffer.from(s, 'latin1')
const cat = (...parts) => Buffer.concat(parts)
const sha256 = (...parts) => createHash('sha256').update(cat(...parts)).digest()
const hmac = (key, ...parts) => createHmac('sha256', key).update(cat(...parts)).digest()
const u16 = (n) => Buffer.from([n >> 8, n & 255])
const same = (a, b) => Buffer.compare(a, b) === 0

class Refused extends Error {}
const refuse = (why) => { throw new Refused(why) }
const need = (condition, why) => { if (!condition) refuse(why) }

// ---- JSON and base64, each in one spelling only ----

// jcs writes a value as RFC 8785 does. ECMAScript is where that form comes
// from, so numbers, escapes and the order of names are the language's own.
function jcs (v, depth = 0, deepest = 64) {
  if (v === null || typeof v !== 'object') {
    need(typeof v !== 'string' || v.isWellFormed(), 'half a surrogate pair')
    return JSON.stringify(v)
  }
  need(depth < deepest, 'nested too deeply')
  if (Array.isArray(v)) return '[' + v.map((x) => jcs(x, depth + 1, deepest)).join(',') + ']'
  return '{' + Object.keys(v).sort().map((k) => {
    need(k.isWellFormed(), 'half a surrogate pair')
    return JSON.stringify(k) + ':' + jcs(v[k], depth + 1, deepest)
  }).join(',') + '}'
}

// canonical parses bytes that must be their own RFC 8785 form. What JSON.parse
// forgives (a name twice, white space, another spelling) does not come back.
function canonical (bytes, deepest) {
  let text, value
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    refuse('not JSON')
  }
  need(jcs(value, 0, deepest) === text, 'not canonical JSON')
  return value
}

const b64url = (b) => b.toString('base64url')

function fromB64url (s, length) {
  need(typeof s === 'string', 'not a string')
  const b = Buffer.from(s, 'base64url')
  need(b64url(b) === s, 'not canonical base64url')
  need(length === undefined || b.length === length, 'wrong length')
  return b
}

function fromB64 (s, length) {
  const b = Buffer.from(s, 'base64')
  need(b.toString('base64') === s, 'not canonical base64')
  need(length === undefined || b.length === length, 'wrong length')
  return b
}

// ---- docs/spec/envelope.md ----

const prk = (dek) => hmac(ascii('lacuna/v1'), dek)
const expand = (key, info, length) => {
  let t = Buffer.alloc(0)
  let out = Buffer.alloc(0)
  for (let i = 1; out.length < length; i++) {
    t = hmac(key, t, info, Buffer.from([i]))
    out = cat(out, t)
  }
  return out.subarray(0, length)
}
const eventSecret = (dek, suite, e) => expand(prk(dek), cat(ascii('lacuna/v1/event'), Buffer.from([suite]), e), 32)

function parts (secret, suite) {
  const b = expand(secret, cat(ascii('lacuna/v1/parts'), Buffer.from([suite])), 128)
  return { K: b.subarray(0, 32), KC: b.subarray(32, 64), S: b.subarray(64, 96), r: b.subarray(96) }
}

function paddedLength (n) {
  const L = n + 1
  if (L <= 4096) return Math.ceil(L / 256) * 256
  const E = Math.floor(Math.log2(L))
  const step = 2 ** (E - (Math.floor(Math.log2(E)) + 1))
  return Math.ceil(L / step) * step
}

const aeadName = { 1: 'chacha20-poly1305', 2: 'aes-256-gcm' }

function sealEnvelope (p, suite, e, nonce, event) {
  const ad = cat(Buffer.from([suite]), e, p.KC)
  const plaintext = Buffer.alloc(paddedLength(event.length))
  event.copy(plaintext)
  plaintext[event.length] = 0x80
  const c = createCipheriv(aeadName[suite], p.K, suite === 1 ? Buffer.alloc(12) : nonce, { authTagLength: 16 })
  c.setAAD(ad)
  const ct = cat(c.update(plaintext), c.final())
  return cat(ad, suite === 1 ? Buffer.alloc(0) : nonce, ct, c.getAuthTag())
}

function openEnvelope (secret, env) {
  need(env.length > 49 && (env[0] === 1 || env[0] === 2), 'suite')
  const suite = env[0]
  const p = parts(secret, suite)
  need(same(p.KC, env.subarray(17, 49)), 'key commitment')
  const start = suite === 1 ? 49 : 61
  need(env.length >= start + 256 + 16, 'length')
  const d = createDecipheriv(aeadName[suite], p.K, suite === 1 ? Buffer.alloc(12) : env.subarray(49, 61), { authTagLength: 16 })
  d.setAAD(env.subarray(0, 49))
  d.setAuthTag(env.subarray(env.length - 16))
  let plaintext
  try {
    plaintext = cat(d.update(env.subarray(start, env.length - 16)), d.final())
  } catch {
    refuse('ciphertext')
  }
  let n = plaintext.length
  while (n > 0 && plaintext[n - 1] === 0) n--
  need(n > 0 && plaintext[n - 1] === 0x80 && paddedLength(n - 1) === plaintext.length, 'padding')
  const event = plaintext.subarray(0, n - 1)
  need(event.length <= 1 << 20, 'too long')
  return { p, suite, event, members: members(event) }
}

// members cuts a canonical event into [name, value] in the order of names.
function members (event) {
  const o = canonical(event)
  need(o !== null && typeof o === 'object' && !Array.isArray(o), 'no object')
  const names = Object.keys(o).sort()
  checkNames(names)
  return names.map((name) => [name, jcs(o[name], 1)])
}

function checkNames (names) {
  need(names.length >= 1 && names.length <= 255, 'number of members')
  names.forEach((name, i) => {
    need(typeof name === 'string' && /^[!#-[\]-~]{1,255}$/.test(name), 'member name')
    need(i === 0 || names[i - 1] < name, 'order of members')
  })
}

function salts (p, suite, n) {
  const zero = Buffer.alloc(16) // node's ChaCha20 takes the counter, then the nonce
  return createCipheriv(suite === 1 ? 'chacha20' : 'aes-256-ctr', p.S, zero).update(Buffer.alloc(16 * n))
}

function disclosures (p, suite, ms) {
  const stream = salts(p, suite, ms.length)
  return ms.map(([name, value], i) =>
    b64url(Buffer.from(`["${b64url(stream.subarray(16 * i, 16 * i + 16))}",${JSON.stringify(name)},${value}]`)))
}

// ---- docs/spec/leaf.md ----

const dE = (env) => sha256(ascii('lacuna/v1/envelope'), env)

// dP takes pairs of name and digest.
function dP (list) {
  checkNames(list.map(([name]) => name))
  return sha256(ascii('lacuna/v1/members'), u16(list.length),
    ...list.map(([name, digest]) => cat(Buffer.from([name.length]), ascii(name), digest)))
}

const sealedLeaf = (r, origin, dE, dP) =>
  cat(Buffer.from([1, 0]), hmac(r, ascii('lacuna/v1/leaf'), sha256(Buffer.from(origin)), dE, dP))

function publicLeaf (statement) {
  need(statement.length <= 65533, 'too long')
  members(statement)
  return cat(Buffer.from([1, 1]), statement)
}

const leafHash = (leaf) => sha256(Buffer.from([0]), leaf)

// ---- docs/spec/opening.md ----

const shapes = {
  field: 'de,disclosures,kind,lacuna,leaf_hash,members,r',
  full: 'envelope,kind,lacuna,leaf_hash,secret',
  public: 'kind,lacuna,leaf_hash,statement'
}

// disclosed returns the canonical values of the members that are shown, which stand in the order of the list.
function disclosed (ds, list) {
  const shown = {}
  let last = -1
  for (const d of ds) {
    const a = canonical(fromB64url(d))
    need(Array.isArray(a) && a.length === 3, 'disclosure')
    fromB64url(a[0], 16)
    const i = list.findIndex(([name]) => name === a[1])
    need(i > last, 'place of a disclosure')
    need(same(sha256(ascii(d)), list[i][1]), 'digest of a disclosure')
    shown[a[1]] = jcs(a[2])
    last = i
  }
  return shown
}

// verifyOpening returns the leaf, and what is shown of which members.
function verifyOpening (bytes, origin) {
  need(bytes.length <= 2 << 20, 'too long')
  const o = canonical(bytes, 65) // a public statement stands one level down
  need(o !== null && typeof o === 'object' && o.lacuna === 'opening/v1', 'version')
  const statements = o.kind !== 'public' && Object.hasOwn(o, 'statements') ? o.statements : null
  const names = Object.keys(o).filter((name) => name !== 'statements' || statements === null)
  need(Object.hasOwn(shapes, o.kind) && names.sort().join() === shapes[o.kind], 'kind and members')
  let leaf
  let shown = {}
  let heldBack = []
  if (o.kind === 'field') {
    need(Array.isArray(o.members) && Array.isArray(o.disclosures), 'lists')
    const list = o.members.map((m) => {
      need(Array.isArray(m) && m.length === 2, 'pair')
      return [m[0], fromB64url(m[1], 32)]
    })
    checkNames(list.map(([name]) => name))
    shown = disclosed(o.disclosures, list)
    heldBack = list.map(([name]) => name).filter((name) => !Object.hasOwn(shown, name))
    leaf = sealedLeaf(fromB64url(o.r, 32), origin, fromB64url(o.de, 32), dP(list))
  } else if (o.kind === 'full') {
    const env = fromB64url(o.envelope)
    const { p, suite, members: ms } = openEnvelope(fromB64url(o.secret, 32), env)
    const digests = disclosures(p, suite, ms).map((d) => sha256(ascii(d)))
    shown = Object.fromEntries(ms)
    leaf = sealedLeaf(p.r, origin, dE(env), dP(ms.map(([name], i) => [name, digests[i]])))
  } else {
    const statement = Buffer.from(jcs(o.statement))
    leaf = publicLeaf(statement)
    shown = Object.fromEntries(members(statement))
  }
  need(same(leafHash(leaf), fromB64url(o.leaf_hash, 32)), 'leaf')
  if (statements !== null) {
    need(Array.isArray(statements) && statements.length >= 1 && statements.length <= 16, 'statements')
    const refs = Object.values(shown).map((v) => JSON.parse(v)).filter((v) => v !== null && typeof v === 'object').map((v) => v.leaf)
    const texts = statements.map((s) => jcs(s))
    need(new Set(texts).size === texts.length, 'a statement twice')
    for (const text of texts) {
      need(refs.includes(leafHash(publicLeaf(Buffer.from(text))).toString('base64')), 'a statement that nothing refers to')
    }
  }
  return { kind: o.kind, leaf, shown, heldBack }
}

// ---- docs/spec/log.md and proof.md ----

const node = (l, r) => sha256(Buffer.from([1]), l, r)

// inclusionRoot and consistent follow RFC 9162, sections 2.1.3.2 and 2.1.4.2.
function verifyInclusion (index, size, leaf, proof, root) {
  let fn = BigInt(index)
  let sn = BigInt(size) - 1n
  need(fn <= sn, 'index')
  let r = leaf
  for (const p of proof) {
    need(sn > 0n, 'proof too long')
    if (fn & 1n || fn === sn) {
      r = node(p, r)
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n }
    } else {
      r = node(r, p)
    }
    fn >>= 1n
    sn >>= 1n
  }
  need(sn === 0n, 'proof too short')
  need(same(r, root), 'root')
}

function verifyConsistency (oldSize, newSize, proof, oldRoot, newRoot) {
  const [fr, sr] = consistencyRoots(oldSize, newSize, proof, oldRoot, newRoot)
  need(same(fr, oldRoot) && same(sr, newRoot), 'root')
}

// consistencyRoots returns the roots that follow from a proof.
function consistencyRoots (oldSize, newSize, proof, oldRoot, newRoot) {
  const [m, n] = [BigInt(oldSize), BigInt(newSize)]
  need(m <= n, 'sizes')
  if (m === 0n || m === n) {
    need(proof.length === 0, 'proof not empty')
    need(m !== 0n || same(oldRoot, sha256()), 'root of an empty log')
    return m === n ? [newRoot, newRoot] : [oldRoot, newRoot]
  }
  need(proof.length > 0, 'no proof')
  const path = (m & (m - 1n)) === 0n ? [oldRoot, ...proof] : proof
  let fn = m - 1n
  let sn = n - 1n
  while (fn & 1n) { fn >>= 1n; sn >>= 1n }
  let fr = path[0]
  let sr = path[0]
  for (const c of path.slice(1)) {
    need(sn > 0n, 'proof too long')
    if (fn & 1n || fn === sn) {
      fr = node(c, fr)
      sr = node(c, sr)
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n }
    } else {
      sr = node(sr, c)
    }
    fn >>= 1n
    sn >>= 1n
  }
  need(sn === 0n, 'proof too short')
  return [fr, sr]
}

// compareCheckpoints is docs/spec/consistency.md.
function compareCheckpoints (older, newer, text, vkey) {
  const { name } = parseKey(vkey)
  const [a, b] = [older, newer].map((note) => openCheckpoint(note, name, [vkey]))
  const [m, n] = [BigInt(a.size), BigInt(b.size)]
  if (m > n) return 'rollback'
  if (m === n && !same(a.root, b.root)) return 'fork'
  need(text === '' || text.endsWith('\n'), 'newline')
  const lines = text.split('\n').slice(0, -1)
  need(lines.length <= 63, 'hashes')
  const [fr, sr] = consistencyRoots(m, n, lines.map((line) => fromB64(line, 32)), a.root, b.root)
  need(same(sr, b.root), 'newer root')
  return same(fr, a.root) ? 'consistent' : 'fork'
}

// ---- docs/spec/evidence.md ----

// inOneForm parses a file that must be indented by two spaces, with these members
// in this order; a name that ends in ? may be missing.
function inOneForm (text, names) {
  let o
  try {
    o = JSON.parse(text)
  } catch {
    refuse('not JSON')
  }
  need(o !== null && typeof o === 'object' && !Array.isArray(o), 'no object')
  const want = names.filter((n) => !n.endsWith('?') || Object.hasOwn(o, n.slice(0, -1))).map((n) => n.replace('?', ''))
  need(Object.keys(o).join() === want.join(), 'members')
  const form = JSON.stringify(o, null, 2).replace(/[\u2028\u2029]/g, (c) => '\\u' + c.charCodeAt(0).toString(16)) + '\n'
  need(form === text, 'form')
  return o
}

// verifyEvidence returns the kind of what an evidence file shows.
function verifyEvidence (text, origin, vkey) {
  const e = inOneForm(text, ['format', 'kind', 'origin', 'vkey', 'source', 'found', 'remembered', 'shown', 'root?', 'proof?', 'what?'])
  need(e.format === 'lacuna/log-evidence/v1' && e.origin === origin, 'format')
  for (const [name, value] of Object.entries(e)) {
    need(name === 'proof' ? Array.isArray(value) && value.length > 0 : typeof value === 'string', name)
  }
  need(/^\d{4}-\d\d-\d\dT/.test(e.found) && !isNaN(Date.parse(e.found)), 'time')
  const [known, shown] = [e.remembered, e.shown].map((head) => openCheckpoint(head, origin, [vkey]))
  const [small, large] = BigInt(known.size) > BigInt(shown.size) ? [shown, known] : [known, shown]
  const oneSize = small.size === large.size
  need(!oneSize || !same(small.root, large.root), 'one head')
  const allowed = { fork: oneSize ? [] : ['root', 'proof'], older: ['proof'], unshown: ['what'] }
  need(Object.hasOwn(allowed, e.kind), 'kind')
  for (const name of ['root', 'proof', 'what']) need(!Object.hasOwn(e, name) || allowed[e.kind].includes(name), name)
  const lead = (root) => {
    const [from, to] = consistencyRoots(small.size, large.size, (e.proof ?? []).map((h) => fromB64(h, 32)), root, large.root)
    need(same(from, root) && same(to, large.root), 'proof')
  }
  if (e.kind === 'fork' && !oneSize) {
    need(Object.hasOwn(e, 'root'), 'no root')
    const root = fromB64(e.root, 32)
    need(!same(root, small.root), 'no fork')
    lead(root)
  } else if (e.kind === 'older') {
    need(!oneSize && same(small.root, shown.root) && small.size === shown.size, 'not older')
    lead(small.root)
  } else if (e.kind === 'unshown') {
    need(!oneSize && e.what, 'nothing else')
  }
  return e.kind
}

// ---- docs/spec/rows.md, runs ----

// parseRun reads what a list row says of its run, null where it says nothing.
function parseRun (text) {
  need(text.length === 19, 'length')
  const events = text.readUIntBE(0, 3)
  if (events === 0) {
    need(text.every((b) => b === 0), 'no events, and something else')
    return null
  }
  const first = text.readUIntBE(7, 6)
  const last = first + text.readUIntBE(13, 6)
  need(last < 2 ** 48, 'a time beyond the format')
  return { events, print: text.subarray(3, 7), first, last }
}

function writeRun (events, print, first, last) {
  const text = Buffer.alloc(19)
  text.writeUIntBE(events, 0, 3)
  print.copy(text, 3)
  text.writeUIntBE(first, 7, 6)
  text.writeUIntBE(last - first, 13, 6)
  return text
}

// ---- docs/spec/backup.md ----

function parseManifest (text) {
  const m = inOneForm(text, ['format', 'made', 'origin', 'size', 'root', 'epoch', 'generation', 'head', 'files'])
  need(m.format === 'lacuna/backup/v2', 'format')
  need(typeof m.made === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?(Z|[+-]\d\d:\d\d)$/.test(m.made), 'time')
  for (const n of ['size', 'epoch', 'generation']) need(Number.isSafeInteger(m[n]) && m[n] >= 0, n)
  const head = parseCheckpoint(splitNote(m.head).text)
  need(head.origin === m.origin && head.size === String(m.size) && same(head.root, fromB64(m.root, 32)), 'head')
  let before = ''
  for (const f of m.files) {
    need(Object.keys(f).join() === 'name,size,sha256', 'members of a file')
    need(f.name > before && f.name !== 'manifest.json', 'order')
    need(f.name.split('/').every((part) => part !== '' && part !== '.' && part !== '..'), 'name')
    need(Number.isSafeInteger(f.size) && f.size >= 0 && /^[0-9a-f]{64}$/.test(f.sha256), 'size or digest')
    before = f.name
  }
}

function parseCheckpoint (text) {
  need(text.endsWith('\n'), 'no final newline')
  const lines = text.slice(0, -1).split('\n')
  need(lines.length >= 3 && lines.every((l) => l !== '' && !/[\x00-\x1f]/.test(l)), 'lines')
  need(/^(0|[1-9][0-9]*)$/.test(lines[1]) && BigInt(lines[1]) < 1n << 63n, 'size')
  return { origin: lines[0], size: lines[1], root: fromB64(lines[2], 32), extensions: lines.slice(3) }
}

function parseKey (vkey) {
  const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(vkey)
  const bytes = Buffer.from(key, 'base64')
  need(bytes.length === 33 && bytes[0] === 1, 'kind of key')
  need(same(sha256(Buffer.from(name), Buffer.from([10]), bytes).subarray(0, 4), hex(id)), 'key id')
  const der = cat(hex('302a300506032b6570032100'), bytes.subarray(1))
  return { name, id, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

// splitNote checks the form of a signed note.
function splitNote (note) {
  need(!/[\x00-\x09\x0b-\x1f]/.test(note) && note.isWellFormed(), 'characters')
  const at = note.lastIndexOf('\n\n')
  need(at >= 0 && note.endsWith('\n') && note.length > at + 2, 'form of the note')
  const signatures = note.slice(at + 2, -1).split('\n').map((line) => {
    const m = /^— ([^ +]+) (\S+)$/u.exec(line)
    need(m, 'signature line')
    const bytes = Buffer.from(m[2], 'base64')
    need(bytes.length >= 5, 'signature line')
    return { name: m[1], base64: m[2], id: bytes.subarray(0, 4).toString('hex'), signature: bytes.subarray(4) }
  })
  return { text: note.slice(0, at + 1), signatures }
}

function openCheckpoint (note, origin, vkeys) {
  const { text, signatures } = splitNote(note)
  let good = 0
  for (const k of vkeys.map(parseKey)) {
    for (const s of signatures.filter((s) => s.name === k.name && s.id === k.id)) {
      fromB64(s.base64)
      need(verifySignature(null, Buffer.from(text), k.key, s.signature), 'signature')
      good++
    }
  }
  need(good > 0, 'no known key')
  const c = parseCheckpoint(text)
  need(c.origin === origin, 'origin')
  return c
}

function parseProof (text) {
  let rest = text
  const line = () => {
    const at = rest.indexOf('\n')
    need(at >= 0, 'a line is missing')
    const l = rest.slice(0, at)
    rest = rest.slice(at + 1)
    return l
  }
  need(line() === 'c2sp.org/tlog-proof@v1', 'first line')
  let l = line()
  let extra = Buffer.alloc(0)
  if (l.startsWith('extra ')) {
    extra = fromB64(l.slice(6))
    need(extra.length > 0, 'extra')
    l = line()
  }
  need(/^index (0|[1-9][0-9]*)$/.test(l), 'index')
  const index = l.slice(6)
  const hashes = []
  while ((l = line()) !== '') hashes.push(fromB64(l, 32))
  need(hashes.length <= 63, 'too many hashes')
  const c = parseCheckpoint(splitNote(rest).text)
  need(BigInt(index) < BigInt(c.size), 'index is not in the tree')
  return { extra, index, hashes, checkpoint: rest }
}

function verifyProof (text, entry, vkey) {
  const p = parseProof(text)
  const c = openCheckpoint(p.checkpoint, parseKey(vkey).name, [vkey])
  verifyInclusion(p.index, c.size, leafHash(entry), p.hashes, c.root)
  return p
}

function parsePath (path) {
  const m = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path)
  need(m, 'path')
  const entries = m[1] === 'entries'
  const level = entries ? 0 : Number(m[1])
  need(level <= 63, 'level')
  const groups = m[2].split('/').map((g) => g.replace('x', ''))
  need(groups.length === 1 || groups[0] !== '000', 'leading zeros')
  const index = BigInt(groups.join(''))
  need(index < 1n << 64n, 'index')
  const width = m[3] === undefined ? 256 : Number(m[3])
  need(width <= 256 && (m[3] === undefined || width < 256), 'width')
  return { entries, level, index: String(index), width }
}

function splitBundle (b, width) {
  need(width >= 1 && width <= 256, 'width')
  const entries = []
  let at = 0
  for (let i = 0; i < width; i++) {
    need(at + 2 <= b.length, 'length')
    const n = b.readUInt16BE(at)
    need(at + 2 + n <= b.length, 'entry')
    entries.push(b.subarray(at + 2, at + 2 + n))
    at += 2 + n
  }
  need(at === b.length, 'bytes left over')
  return entries
}

// A tree of the log in merkle.json: levels[l][i] is the root over 2^l entries.
function tree (size) {
  const levels = [[]]
  for (let i = 0; i < size; i++) {
    const n = Buffer.alloc(4)
    n.writeUInt32BE(i)
    levels[0].push(leafHash(cat(Buffer.from([1, 0]), sha256(n))))
  }
  while (levels.at(-1).length > 1) {
    const below = levels.at(-1)
    const level = []
    for (let i = 0; i + 1 < below.length; i += 2) level.push(node(below[i], below[i + 1]))
    levels.push(level)
  }
  return levels
}

function rootAt (levels, size) {
  let r = null
  for (let l = 0, n = size; n > 0; l++, n = Math.floor(n / 2)) {
    if (n % 2 === 1) r = r === null ? levels[l][n - 1] : node(levels[l][n - 1], r)
  }
  return r ?? sha256()
}

function rootOf (hashes) {
  if (hashes.length === 1) return hashes[0]
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  return node(rootOf(hashes.slice(0, k)), rootOf(hashes.slice(k)))
}

// ---- docs/spec/cosignature.md and policy.md ----

class Unknown extends Error {}
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b }

// mldsaKey is null where the library has no ML-DSA: node has it from 24 on.
function mldsaKey (bytes) {
  const der = cat(hex('30820532300b06096086480165030403110382052100'), bytes)
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

const keySizes = { 1: 32, 4: 32, 6: 1312 }

// parseAnyKey reads a public key of a kind that signs checkpoints, or cosigns.
function parseAnyKey (vkey) {
  const m = /^([^+\s\x00-\x1f]+)\+([0-9a-fA-F]{8})\+(\S+)$/u.exec(vkey)
  need(m, 'form of the key')
  const bytes = fromB64(m[3])
  need(keySizes[bytes[0]] === bytes.length - 1, 'kind or size of the key')
  need(same(sha256(Buffer.from(m[1]), Buffer.from([10]), bytes).subarray(0, 4), hex(m[2])), 'key id')
  return { name: m[1], id: m[2].toLowerCase(), type: bytes[0], bytes: bytes.subarray(1) }
}

function verifyMessage (key, message, signature) {
  if (key.type !== 6) {
    need(signature.length === 64, 'length of the signature')
    const der = cat(hex('302a300506032b6570032100'), key.bytes)
    need(verifySignature(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature), 'signature')
    return
  }
  need(signature.length === 2420, 'length of the signature')
  const k = mldsaKey(key.bytes)
  if (k === null) throw new Unknown('ML-DSA-44')
  need(verifySignature(null, message, k, signature), 'signature')
}

// subtreeMessage is the cosigned_message of tlog-cosignature.
function subtreeMessage (name, time, origin, start, end, root) {
  const opaque = (s) => {
    const b = Buffer.from(s)
    need(b.length >= 1 && b.length <= 255, 'length of a name')
    return cat(Buffer.from([b.length]), b)
  }
  need(BigInt(start) === 0n || time === 0n, 'time of a subtree')
  return cat(ascii('subtree/v1\n\0'), opaque(name), u64(time), opaque(origin), u64(start), u64(end), root)
}

// statement verifies one signature of a checkpoint under a key: { time, message }.
function statement (key, text, signature) {
  if (key.type === 1) {
    verifyMessage(key, Buffer.from(text), signature)
    return {}
  }
  need(signature.length > 8, 'length of the signature')
  const time = signature.readBigUInt64BE(0)
  need(time < 1n << 63n, 'time')
  const c = parseCheckpoint(text)
  need(key.type === 4 || c.extensions.length === 0, 'extension lines')
  const message = key.type === 4
    ? Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
    : subtreeMessage(key.name, time, c.origin, 0, c.size, c.root)
  const s = { time: String(time), message: message.toString('hex') }
  try {
    verifyMessage(key, message, signature.subarray(8))
  } catch (e) {
    if (!(e instanceof Unknown)) throw e
    s.unknown = e
  }
  return s
}

// statements verifies every signature of a note that is under one of the keys.
function statements (note, keys) {
  const { text, signatures } = splitNote(note)
  const all = []
  for (const s of signatures) {
    const key = keys.find((k) => k.name === s.name && k.id === s.id)
    if (key === undefined) continue
    fromB64(s.base64)
    all.push({ key, ...statement(key, text, s.signature) })
  }
  return { checkpoint: parseCheckpoint(text), all }
}

// isSubtree: start is a multiple of the smallest power of two that is not less
// than the number of entries.
function isSubtree (start, end) {
  let width = 1n
  while (width < end - start) width *= 2n
  return start < end && start % width === 0n
}

function verifySubtreeLine (line, key, origin, start, end, root) {
  const m = /^— ([^ +]+) (\S+)\n$/u.exec(line)
  need(m && key.type === 6 && isSubtree(BigInt(start), BigInt(end)), 'form')
  const b = fromB64(m[2])
  need(m[1] === key.name && b.length === 12 + 2420 && b.toString('hex', 0, 4) === key.id, 'key')
  const message = subtreeMessage(key.name, b.readBigUInt64BE(4), origin, start, end, root)
  return { message, verify: () => verifyMessage(key, message, b.subarray(12)) }
}

// verifySubtree computes both roots down from the top: the last hash of the
// proof is the one that stands highest.
function verifySubtree (start, end, size, proof, subtree, root) {
  need(isSubtree(BigInt(start), BigInt(end)) && end <= size, 'subtree')
  const left = [...proof]
  const last = () => { need(left.length > 0, 'proof too short'); return left.pop() }
  const roots = (lo, hi, known) => {
    if (lo >= start && hi === end) {
      const h = known ? subtree : last()
      return [h, h]
    }
    let k = 1
    while (k * 2 < hi - lo) k *= 2
    const side = last()
    if (end <= lo + k) {
      const [s, r] = roots(lo, lo + k, known)
      return [s, node(r, side)]
    }
    if (start >= lo + k) {
      const [s, r] = roots(lo + k, hi, known)
      return [s, node(side, r)]
    }
    const [s, r] = roots(lo + k, hi, false)
    return [node(side, s), node(side, r)]
  }
  const [s, r] = roots(0, size, true)
  need(left.length === 0, 'proof too long')
  need(same(s, subtree) && same(r, root), 'root')
}

// parsePolicy reads a policy as bytes, each of which is one character here.
function parsePolicy (bytes) {
  const text = bytes.toString('latin1')
  need(!/[^\t\n\x20-\x7e\x80-\xff]/.test(text), 'control character')
  need(text.endsWith('\n'), 'no final newline')
  const p = { logs: [], witnesses: [], members: new Map(), quorum: undefined }
  const grouped = new Set()
  const key = (word, types) => {
    const k = parseAnyKey(Buffer.from(word, 'latin1').toString())
    need(types.includes(k.type), 'kind of key')
    return k
  }
  const define = (name, member) => {
    need(name !== 'none' && !p.members.has(name), 'name')
    p.members.set(name, member)
  }
  for (const line of text.slice(0, -1).split('\n')) {
    const [keyword, ...words] = line.split(/[ \t]+/).filter((w) => w !== '')
    if (keyword === undefined || keyword[0] === '#') continue
    need(!words.includes('#'), 'comment behind words')
    if (keyword === 'log') {
      need(words.length === 1 || words.length === 2, 'log')
      need(words.length === 1 || words[1][0] !== '#', 'comment behind words')
      const k = key(words[0], [1, 6])
      need(!p.logs.some((o) => same(o.bytes, k.bytes)), 'key twice')
      p.logs.push(k)
    } else if (keyword === 'witness') {
      need(words.length === 2 || words.length === 3, 'witness')
      need(words.length === 2 || words[2][0] !== '#', 'comment behind words')
      const k = key(words[1], [4, 6])
      need(!p.witnesses.some((o) => same(o.bytes, k.bytes)), 'key twice')
      p.witnesses.push(k)
      define(words[0], { key: k })
    } else if (keyword === 'group') {
      const [name, threshold, ...names] = words
      need(names.length > 0, 'group')
      const k = { any: 1, all: names.length }[threshold] ?? (/^[1-9][0-9]{0,8}$/.test(threshold) ? Number(threshold) : 0)
      need(k >= 1 && k <= names.length, 'threshold')
      for (const n of names) {
        need(p.members.has(n) && !grouped.has(n), 'member')
        grouped.add(n)
      }
      define(name, { k, names })
    } else {
      need(keyword === 'quorum' && words.length === 1 && p.quorum === undefined, 'quorum')
      need(words[0] === 'none' || p.members.has(words[0]), 'quorum')
      p.quorum = words[0]
    }
  }
  need(p.quorum !== undefined, 'no quorum')
  return p
}

// isQuorum: signed says of a key whether it has cosigned.
function isQuorum (p, signed) {
  const witnessed = (name) => {
    const m = p.members.get(name)
    return m.key ? signed(m.key) : m.names.filter(witnessed).length >= m.k
  }
  return p.quorum === 'none' || witnessed(p.quorum)
}

function checkPolicy (p, note, origin) {
  const logs = p.logs.filter((l) => l.name === origin)
  const { checkpoint, all } = statements(note, [...logs, ...p.witnesses])
  need(checkpoint.origin === origin, 'origin')
  need(all.some((s) => logs.includes(s.key)), 'not signed by the log')
  need(isQuorum(p, (k) => all.some((s) => s.key === k)), 'quorum')
}

// ---- docs/spec/epoch-record.md, certificate.md, sweep-record.md and erased-set.md ----

const whole = (n) => Number.isSafeInteger(n) && n >= 0
const b32 = (s) => fromB64url(s, 32)

function exactly (o, names) {
  need(o !== null && typeof o === 'object' && !Array.isArray(o), 'no object')
  need(Object.keys(o).sort().join() === [...names].sort().join(), 'members')
}

// sum is a node above two others, each with a count and a hash.
function sum (l, r) {
  need(whole(l.count) && whole(r.count) && whole(l.count + r.count), 'count')
  return { count: l.count + r.count, hash: sha256(Buffer.from([4]), u64(l.count), l.hash, u64(r.count), r.hash) }
}

function checkHolders (level, holders) {
  need(Array.isArray(holders) && holders.length > 0, 'holders')
  for (const h of holders) {
    exactly(h, ['holder', 'kind', 'level', 'destroyed', 'overwritten', 'copies', 'signature'])
    need(/^[0-9a-f]{32}$/.test(h.holder) && h.kind !== '' && /^L[0-3]$/.test(h.level) && whole(h.overwritten) && whole(h.copies), 'holder')
  }
  const best = holders.map((h) => h.level).sort().at(-1)
  need(level === best || (level === 'L2' && best === 'L1' && holders.filter((h) => h.level >= 'L1').length >= 2), 'level')
}

function parseSweepRecord (text) {
  const r = canonical(Buffer.from(text))
  exactly(r, ['type', 'schema', 'tree', 'epoch', 'attempt', 'previous', 'previous_sweep', 'pages_root', 'generation', 'epochs_from',
    'epochs_to', 'size', 'erased', 'erased_root', 'paired', 'traces_swept_at', 'level', 'holders', ...('epochs_lost' in r ? ['epochs_lost'] : [])])
  need(r.type === 'erasure.sweep' && r.schema === 1, 'type')
  for (const n of ['epoch', 'generation', 'epochs_from', 'epochs_to', 'size', 'erased']) need(whole(r[n]), n)
  for (const n of ['tree', 'attempt']) need(/^[0-9a-f]{32}$/.test(r[n]), n)
  for (const n of ['pages_root', 'erased_root']) b32(r[n])
  for (const n of ['previous', 'previous_sweep', 'paired']) if (r[n] !== null) b32(r[n])
  need(r.generation > 0 && r.generation < 2 ** 32, 'generation')
  need(r.epochs_to < r.epoch && r.epochs_from > 0 && r.epochs_from <= r.epochs_to + 1, 'epochs')
  if ('epochs_lost' in r) {
    const lost = r.epochs_lost
    need(Array.isArray(lost) && lost.length > 0 && lost.every((n, i) => whole(n) && n >= r.epochs_from && n <= r.epochs_to && (i === 0 || n > lost[i - 1])), 'epochs lost')
  }
  need(r.erased <= r.size, 'erased')
  need(r.previous_sweep !== null || r.paired === null, 'paired')
  need(r.previous_sweep === null || r.previous !== null, 'previous')
  need(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(r.traces_swept_at) && !isNaN(Date.parse(r.traces_swept_at)), 'time')
  checkHolders(r.level, r.holders)
  return r
}

const statementHash = (text) => sha256(Buffer.from([0, 1, 1]), Buffer.from(text))
const setOf = (r) => ({ erased: r.erased, generation: r.generation, root: r.erased_root, size: r.size })

const instant = (s) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(s) && !isNaN(Date.parse(s))
const bucket = (s) => s === '0' || /^1(0*)-9(9*)$/.test(s) && s.split('-')[0].length === s.split('-')[1].length
const rising = (list) => list.every((x, i) => i === 0 || list[i - 1] < x)
const keyIDs = (list) => list.every((k) => /^[0-9a-f]{8}$/.test(k)) && rising(list)

function parseEpochRecord (text) {
  const r = canonical(Buffer.from(text))
  exactly(r, ['type', 'schema', 'tree', 'epoch', 'attempt', 'previous', 'pages_root', 'keys_destroyed_at', 'level', 'holders', 'subjects',
    'requests_root', 'requests_size', 'approvers', 'sweep'])
  need(r.type === 'erasure.epoch' && r.schema === 1 && r.sweep === 'pending' && whole(r.epoch), 'type')
  for (const n of ['tree', 'attempt']) need(/^[0-9a-f]{32}$/.test(r[n]), n)
  for (const n of ['pages_root', 'requests_root']) b32(r[n])
  if (r.previous !== null) b32(r.previous)
  need(instant(r.keys_destroyed_at), 'time')
  exactly(r.subjects, ['closure', 'request', 'retention'])
  need(Object.values(r.subjects).every(bucket), 'bucket')
  need(whole(r.requests_size) && r.requests_size >= 64 && Number.isInteger(Math.log2(r.requests_size)), 'size of the requests tree')
  need(Array.isArray(r.approvers) && keyIDs(r.approvers), 'approvers')
  checkHolders(r.level, r.holders)
  return r
}

const NOT_COVERED = [
  'Traces are not yet swept: until the next sweep, whoever holds the current root and old copies of the storage can tell which erased records belonged together, and who of the recipients has to be told.',
  'Copies outside this ledger: recipients, exports, the services that sent the events, and proofs already handed out.',
  'A copy of a key that the operator took in secret before: it cannot be detected, only attributed.',
  'A copy of the root taken before the erasure, together with key pages of that time.'
]
const NOT_MEDIUM = 'Level L0: the medium of the root may keep old copies of what was overwritten.'
const NOT_MEMORY = 'The memory of the running process: this build does not erase what key derivations leave there.'

function checkTerms (t) {
  const may = ['approvals', 'dependents'].filter((n) => Object.hasOwn(t, n))
  exactly(t, ['origin', 'tree', 'epoch', 'level', 'reason', 'scope', 'requested_at', 'keys_destroyed_at', 'traces_swept_at', 'erased', 'kept',
    'recipients', 'memory_erased', 'not_covered', ...may])
  need(/^[0-9a-f]{32}$/.test(t.tree) && whole(t.epoch) && ['request', 'retention', 'closure'].includes(t.reason), 'terms')
  need(instant(t.requested_at) && instant(t.keys_destroyed_at) && t.traces_swept_at === null && typeof t.memory_erased === 'boolean', 'times')
  const part = (p) => p.compartment !== '' && /^(\d{4}(-(0[1-9]|1[0-2]))?)?$/.test(p.cohort)
  need(t.erased.length > 0, 'nothing erased')
  for (const p of t.erased) { exactly(p, ['compartment', 'cohort']); need(part(p), 'part') }
  for (const k of t.kept) {
    exactly(k, ['compartment', 'cohort', 'reason', 'until'])
    need(part(k) && k.reason !== '' && (k.until === null || /^\d{4}-\d\d-\d\d$/.test(k.until)), 'kept')
  }
  const approvals = t.approvals ?? []
  for (const a of approvals) { exactly(a, ['key', 'signature']); fromB64url(a.signature, 64) }
  need(keyIDs(approvals.map((a) => a.key)), 'approvals')
  const dependents = t.dependents ?? []
  for (const d of dependents) {
    exactly(d, ['name', 'reported_at'])
    need(d.name !== '' && (d.reported_at === null || instant(d.reported_at)), 'dependent')
  }
  need(rising(dependents.map((d) => d.name)), 'dependents')
  const not = [...NOT_COVERED, ...(t.level === 'L0' ? [NOT_MEDIUM] : []), ...(t.memory_erased ? [] : [NOT_MEMORY])]
  need(jcs(t.not_covered) === jcs(not), 'not covered')
}

// verifyCertificate returns the names of the keys that approved the request.
function verifyCertificate (text, record, index, vkeys) {
  const r = parseEpochRecord(record)
  const c = canonical(Buffer.from(text))
  exactly(c, ['type', 'schema', 'copy', 'terms', 'record', 'commitment', 'entries', 'place', 'path', ...(c.copy === 'subject' ? ['opening'] : [])])
  need(c.type === 'erasure.certificate' && c.schema === 1 && ['subject', 'officer'].includes(c.copy) && whole(c.entries) && whole(c.place), 'type')
  const t = c.terms
  checkTerms(t)
  exactly(c.record, ['index', 'leaf'])
  need(c.record.index === index && same(b32(c.record.leaf), statementHash(record)), 'record')
  for (const n of ['tree', 'epoch', 'level', 'keys_destroyed_at']) need(t[n] === r[n], n)
  const approvals = t.approvals ?? []
  need(approvals.every((a) => r.approvers.includes(a.key)), 'an approver that the record does not name')
  const commitment = b32(c.commitment)
  const leaf = sha256(Buffer.from([5]), commitment, sha256(ascii('lacuna/v1/terms'), Buffer.from(jcs(t))))
  need(c.place < r.requests_size, 'place')
  const root = climb({ count: c.entries, hash: leaf }, c.place, r.requests_size, nodes(c.path), sum)
  need(same(root.hash, b32(r.requests_root)), 'root of the requests')
  if (c.copy === 'subject') {
    const o = c.opening
    exactly(o, ['rho', 'members', 'disclosures'])
    const list = o.members.map((m) => { exactly(m, ['name', 'digest']); return [m.name, b32(m.digest)] })
    need(same(hmac(b32(o.rho), ascii('lacuna/v1/request'), sha256(Buffer.from(t.origin)), dP(list)), commitment), 'opening')
    const said = { erase: t.erased, reason: t.reason, requested_at: t.requested_at, scope: t.scope }
    for (const [name, value] of Object.entries(disclosed(o.disclosures, list))) need(!Object.hasOwn(said, name) || jcs(said[name]) === value, name)
  }
  const approved = []
  for (const k of vkeys.map(parseKey)) {
    const a = approvals.find((a) => a.key === k.id)
    if (a === undefined) continue
    const signed = Buffer.from(`lacuna/v1/erasure-approval\n${t.origin}\n${c.commitment}\n`)
    need(verifySignature(null, signed, k.key, fromB64url(a.signature, 64)), 'an approval')
    approved.push(`${k.name}+${k.id}`)
  }
  return approved.sort()
}

const BLOCK = 4096
const blocksOf = (size) => Math.ceil(size / BLOCK)
const blockLeaves = (b, size) => Math.min(BLOCK, size - b * BLOCK)
const bitHash = (g, i, erased, blind) => sha256(Buffer.from([2]), u64(g), u64(i), Buffer.from([erased ? 1 : 0]), blind)
const inner = (l, r) => sha256(Buffer.from([3]), l, r)

// climb leads from place at of n to the root of a tree in which the last node of an odd level moves up as it is.
function climb (node, at, n, path, join) {
  let used = 0
  for (let level = 0; n > 1; level++, at = Math.floor(at / 2), n = Math.ceil(n / 2)) {
    const beside = at % 2 === 0 ? at + 1 : at - 1
    if (beside >= n) continue
    need(used < path.length, 'short path')
    node = at % 2 === 0 ? join(node, path[used], beside, level) : join(path[used], node, beside, level)
    used++
  }
  need(used === path.length, 'long path')
  return node
}

const nodes = (list) => list.map((n) => ({ count: n.count, hash: b32(n.hash) }))

function climbBlocks (node, b, path, set) {
  const root = climb(node, b, blocksOf(set.size), nodes(path), (l, r, beside, level) => {
    const span = BLOCK * 2 ** level
    const other = beside % 2 === 0 ? l : r
    need(other.count <= Math.min(span, set.size - beside * span), 'more than there are')
    return sum(l, r)
  })
  need(root.count === set.erased && same(root.hash, b32(set.root)), 'root')
}

// verifyBit returns the bit.
function verifyBit (p, set) {
  need(whole(p.index) && p.index < set.size && typeof p.erased === 'boolean', 'index')
  const b = Math.floor(p.index / BLOCK)
  const n = blockLeaves(b, set.size)
  need(whole(p.count) && p.count >= (p.erased ? 1 : 0) && p.count <= (p.erased ? n : n - 1), 'count')
  const hash = climb(bitHash(set.generation, p.index, p.erased, b32(p.blind)), p.index % BLOCK, n, p.path.map(b32), inner)
  climbBlocks({ count: p.count, hash }, b, p.blocks, set)
  return p.erased
}

// foldLevels leads a level to its root.
function foldLevels (level, join) {
  while (level.length > 1) {
    const up = []
    for (let i = 0; i < level.length; i += 2) up.push(i + 1 < level.length ? join(level[i], level[i + 1]) : level[i])
    level = up
  }
  return level[0]
}

function verifyBlock (p, set) {
  need(whole(p.block) && p.block < blocksOf(set.size), 'block')
  const n = blockLeaves(p.block, set.size)
  const bits = fromB64url(p.bits, Math.ceil(n / 8))
  const blinds = fromB64url(p.blinds, 32 * n)
  const bit = (j) => (bits[j >> 3] >> (7 - j % 8)) & 1
  for (let j = n; j < 8 * bits.length; j++) need(!bit(j), 'bits behind the end')
  const hashes = []
  let count = 0
  for (let j = 0; j < n; j++) {
    count += bit(j)
    hashes.push(bitHash(set.generation, p.block * BLOCK + j, bit(j), blinds.subarray(32 * j, 32 * j + 32)))
  }
  climbBlocks({ count, hash: foldLevels(hashes, inner) }, p.block, p.blocks, set)
}

function draw (seed, size, n) {
  const drawn = new Set()
  if (n >= size) return [...Array(size).keys()]
  for (let j = 0; drawn.size < n; j++) {
    const h = sha256(seed, u64(j)).toString('hex', 0, 16)
    drawn.add(Number(BigInt('0x' + h) % BigInt(size)))
  }
  return [...drawn].sort((a, b) => a - b)
}

function verifyPaired (x) {
  const [before, after] = [parseSweepRecord(x.before), parseSweepRecord(x.after)]
  need(after.previous_sweep !== null && same(b32(after.previous_sweep), statementHash(x.before)), 'order')
  const text = Buffer.from(x.paired)
  const p = canonical(text)
  exactly(p, ['type', 'schema', 'origin', 'before', 'after', 'head', 'leaves'])
  need(p.type === 'erasure.paired' && p.schema === 1, 'type')
  need(after.paired !== null && same(b32(after.paired), sha256(text)), 'digest')
  need(jcs(p.before) === jcs(setOf(before)) && jcs(p.after) === jcs(setOf(after)), 'sets')
  const drawn = draw(sha256(b32(p.after.root), Buffer.from(p.head)), p.before.size, Math.min(1000, Math.ceil(p.before.size / 256)))
  need(jcs(p.leaves.map((l) => l.before.index)) === jcs(drawn), 'leaves')
  for (const l of p.leaves) {
    const was = verifyBit(l.before, p.before)
    need(was === (l.after !== null), 'shown')
    if (was) need(l.after.index === l.before.index && verifyBit(l.after, p.after), 'not erased any more')
  }
}

function parseLostRecord (text) {
  const r = canonical(Buffer.from(text))
  exactly(r, ['type', 'schema', 'size', 'lost', 'lost_root', 'stated_at'])
  need(r.type === 'entries.lost' && r.schema === 1, 'type')
  need(whole(r.size) && whole(r.lost) && r.lost > 0 && r.lost <= r.size, 'lost')
  b32(r.lost_root)
  need(instant(r.stated_at), 'time')
  return r
}

// verifyLostOpening takes the statement beside the opening for the one that its proof file proves.
function verifyLostOpening (x) {
  const r = parseLostRecord(x.statement)
  const o = canonical(Buffer.from(x.opening))
  exactly(o, ['type', 'schema', 'origin', 'statement', 'entry'])
  need(o.type === 'entries.lost-opening' && o.schema === 1, 'type')
  exactly(o.entry, ['index', 'blind', 'path', 'count', 'blocks'])
  verifyBit({ ...o.entry, erased: true }, { generation: 0, size: r.size, erased: r.lost, root: r.lost_root })
}

// ---- the vectors ----

let passed = 0
let failed = 0

function check (name, f) {
  try {
    f()
    passed++
  } catch (e) {
    failed++
    console.log(`FAILED ${name}: ${e.stack}`)
  }
}

const equal = (got, want, what) => {
  const [g, w] = [got, want].map((x) => Buffer.isBuffer(x) ? x.toString('hex') : typeof x === 'string' ? x : JSON.stringify(x))
  if (g !== w) throw new Error(`${what} is ${g.slice(0, 80)}, want ${w.slice(0, 80)}`)
}
const accepted = (name, f) => check(name, f)
const refused = (name, f) => check(name, () => {
  try {
    f()
  } catch (e) {
    if (e instanceof Refused) return
    throw e
  }
  throw new Error('accepted')
})
const verdict = (valid) => valid ? accepted : refused

// judge is a verdict that may depend on a signature which this node cannot
// verify. Then what is valid is checked but for that, and of what is not valid
// there is nothing to say.
let undecided = 0
const judge = (valid) => (name, f) => verdict(valid)(name, () => {
  try {
    f()
  } catch (e) {
    if (!(e instanceof Unknown)) throw e
    undecided++
    if (!valid) refuse(e.message)
  }
})

const files = {
  'envelope.json': (v) => {
    for (const b of v.canonical) accepted('canonical ' + b, () => canonical(hex(b)))
    for (const b of v.not_canonical) refused('not canonical ' + b, () => canonical(hex(b)))
    for (const [n, want] of v.padding) check('padding of ' + n, () => equal(paddedLength(n), want, 'length'))
    for (const x of v.sealed) {
      check(x.name, () => {
        const event = Buffer.from(x.event)
        const e = hex(x.e)
        equal(prk(hex(x.dek)), x.prk, 'PRK')
        const secret = eventSecret(hex(x.dek), x.suite, e)
        equal(secret, x.secret, 's')
        const p = parts(secret, x.suite)
        equal(cat(p.K, p.KC, p.S, p.r), x.k + x.kc + x.s + x.r, 'K || KC || S || r')
        const env = sealEnvelope(p, x.suite, e, hex(x.nonce ?? ''), event)
        equal(env, x.envelope, 'envelope')
        const opened = openEnvelope(secret, env)
        equal(opened.event, event, 'opened event')
        const ds = disclosures(p, x.suite, opened.members)
        equal(ds, x.disclosures, 'disclosures')
        const digests = ds.map((d) => sha256(ascii(d)))
        equal(digests.map((d) => d.toString('hex')), x.digests, 'digests')
        equal(dE(env), x.d_e, 'd_E')
        const d = dP(opened.members.map(([name], i) => [name, digests[i]]))
        equal(d, x.d_p, 'd_P')
        const leaf = sealedLeaf(p.r, x.origin, dE(env), d)
        equal(leaf, x.leaf, 'leaf')
        equal(leafHash(leaf), x.leaf_hash, 'leaf hash')
      })
    }
    for (const x of v.refused) {
      const env = hex(x.envelope)
      refused(x.name, () => openEnvelope(eventSecret(hex(x.dek), env[0], env.subarray(1, 17)), env))
    }
  },
  'leaf.json': (v) => {
    const list = (ms) => ms.map((m) => [m.name, hex(m.digest)])
    for (const x of v.sealed) {
      check(x.name, () => {
        const d = dP(list(x.members))
        equal(d, x.d_p, 'd_P')
        const leaf = sealedLeaf(hex(x.r), x.origin, hex(x.d_e), d)
        equal(leaf, x.leaf, 'leaf')
        equal(leafHash(leaf), x.leaf_hash, 'leaf hash')
      })
    }
    for (const x of v.refused) refused(x.name, () => dP(list(x.members)))
    for (const x of v.public) {
      check(x.statement, () => {
        const leaf = publicLeaf(Buffer.from(x.statement))
        equal(leaf, x.leaf, 'leaf')
        equal(leafHash(leaf), x.leaf_hash, 'leaf hash')
      })
    }
    for (const s of v.public_refused) refused('public ' + s, () => publicLeaf(Buffer.from(s)))
  },
  'opening.json': (v) => {
    for (const x of v.accepted) {
      check(x.name, () => {
        const o = verifyOpening(Buffer.from(x.opening), x.origin)
        equal(o.kind, x.kind, 'kind')
        equal(o.leaf, x.leaf, 'leaf')
        equal(jcs(o.shown), jcs(x.shown), 'what is shown')
        equal(o.heldBack, x.held_back, 'what is held back')
      })
    }
    for (const x of v.refused) refused(x.name, () => verifyOpening(Buffer.from(x.opening), x.origin))
  },
  'merkle.json': (v) => {
    for (const x of v.leaves) check('leaf ' + x.entry, () => equal(leafHash(hex(x.entry)).toString('base64'), x.hash, 'hash'))
    const levels = tree(v.tiles_of_size)
    for (const x of v.roots) check('root at ' + x.size, () => equal(rootAt(levels, x.size).toString('base64'), x.root, 'root'))
    for (const x of v.tiles) {
      check(x.path, () => {
        equal(parsePath(x.path), { entries: false, level: x.level, index: String(x.index), width: x.width }, 'path')
        const start = x.index * 256
        const hashes = levels[x.level * 8].slice(start, start + x.width)
        equal(rootOf(hashes).toString('base64'), x.root, 'root')
        if (x.hashes) equal(hashes.map((h) => h.toString('base64')), x.hashes, 'hashes')
      })
    }
    for (const x of v.paths) check(x.path, () => equal(parsePath(x.path), { entries: x.entries, level: x.level, index: x.index, width: x.width }, 'path'))
    for (const p of v.bad_paths) refused('path ' + p, () => parsePath(p))
    for (const x of v.bundles) {
      verdict(x.valid)('bundle, ' + x.name, () => equal(splitBundle(hex(x.bundle), x.width).map((e) => e.toString('hex')), x.entries, 'entries'))
    }
    const hashes = (list) => list.map((h) => Buffer.from(h, 'base64'))
    for (const x of v.inclusion) {
      verdict(x.valid)(x.name, () => verifyInclusion(x.index, x.size, ...hashes([x.leaf_hash]), hashes(x.proof), ...hashes([x.root])))
    }
    for (const x of v.consistency) {
      verdict(x.valid)(x.name, () => verifyConsistency(x.old_size, x.new_size, hashes(x.proof), ...hashes([x.old_root, x.new_root])))
    }
  },
  'checkpoint.json': (v) => {
    for (const x of v.keys) check(x.vkey, () => equal([parseKey(x.vkey).name, parseKey(x.vkey).id], [x.name, x.key_id], 'key'))
    for (const x of v.texts) {
      verdict(x.valid)(x.name, () => {
        const c = parseCheckpoint(x.text)
        equal([c.origin, c.size, c.root.toString('base64'), c.extensions], [x.origin, x.size, x.root, x.extensions ?? []], 'checkpoint')
      })
    }
    for (const x of v.notes) verdict(x.valid)(x.name, () => openCheckpoint(x.note, x.origin, x.vkeys))
  },
  'cosignature.json': (v) => {
    for (const x of v.keys) {
      check(x.vkey.slice(0, 40), () => {
        const k = parseAnyKey(x.vkey)
        equal([k.name, k.id, k.type], [x.name, x.key_id, hex(x.algorithm)[0]], 'key')
        equal(x.skey, `PRIVATE+KEY+${x.name}+${x.key_id}+` + cat(hex(x.algorithm), hex(x.seed)).toString('base64'), 'secret key')
        if (k.type === 4) {
          const der = cat(hex('302e020100300506032b657004220420'), hex(x.seed))
          const pub = createPublicKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'der', type: 'spki' })
          equal(pub.subarray(-32), k.bytes, 'public key')
        }
      })
    }
    for (const k of v.bad_keys) refused('key ' + k.slice(0, 40), () => parseAnyKey(k))
    for (const x of v.cosignatures) {
      judge(x.valid)(x.name, () => {
        const { all } = statements(x.note, [parseAnyKey(x.vkey)])
        need(all.length > 0, 'no signature under the key')
        if (x.valid) equal([all[0].time, all[0].message], [x.time, x.message], 'time and message')
        if (all[0].unknown) throw all[0].unknown
      })
    }
    for (const x of v.subtrees) {
      judge(x.valid)('subtree, ' + x.name, () => {
        const s = verifySubtreeLine(x.line, parseAnyKey(x.vkey), x.origin, x.start, x.end, fromB64(x.root, 32))
        if (x.valid) equal(s.message, x.message, 'message')
        s.verify()
      })
    }
    for (const x of v.subtree_proofs) {
      verdict(x.valid)('subtree proof, ' + x.name, () => verifySubtree(x.start, x.end, x.size, x.proof.map((h) => fromB64(h, 32)), fromB64(x.subtree, 32), fromB64(x.root, 32)))
    }
  },
  'policy.json': (v) => {
    for (const x of v.policies) verdict(x.valid)(x.name, () => parsePolicy(Buffer.from(x.text)))
    for (const x of v.bytes) verdict(x.valid)(x.name, () => parsePolicy(hex(x.text)))
    for (const x of v.policies.filter((x) => x.valid)) {
      const p = parsePolicy(Buffer.from(x.text))
      const met = (names) => {
        const keys = names.map((n) => p.members.get(Buffer.from(n).toString('latin1')).key)
        return isQuorum(p, (k) => keys.includes(k))
      }
      for (const names of x.met ?? []) check(`${x.name}: ${names}`, () => equal(met(names), true, 'quorum'))
      for (const names of x.unmet ?? []) check(`${x.name}: ${names}`, () => equal(met(names), false, 'quorum'))
    }
    for (const x of v.notes) verdict(x.valid)(x.name, () => checkPolicy(parsePolicy(Buffer.from(x.policy)), x.note, x.origin))
  },
  'key-tree.json': (v) => {
    const u8 = (n) => Buffer.from([n])
    const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b }
    const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b }
    const not = (b) => Buffer.from(b.map((x) => ~x & 255))
    const extract = (salt, ikm) => hmac(salt, ikm)
    const expand = (key, info, n) => {
      let t = Buffer.alloc(0)
      let out = t
      for (let i = 1; out.length < n; i++) out = cat(out, t = hmac(key, t, info, u8(i)))
      return out.subarray(0, n)
    }
    const zero = Buffer.alloc(12)
    const seal = (key, plaintext, ad) => {
      const c = createCipheriv('chacha20-poly1305', key, zero, { authTagLength: 16 })
      c.setAAD(ad, { plaintextLength: plaintext.length })
      return cat(c.update(plaintext), c.final(), c.getAuthTag())
    }
    const open = (key, sealed, ad) => {
      const c = createDecipheriv('chacha20-poly1305', key, zero, { authTagLength: 16 })
      c.setAAD(ad, { plaintextLength: sealed.length - 16 })
      c.setAuthTag(sealed.subarray(-16))
      const plaintext = c.update(sealed.subarray(0, -16))
      try {
        return cat(plaintext, c.final())
      } catch {
        refuse('does not authenticate')
      }
    }
    for (const x of v.tags) check('tag of ' + x.subject, () => equal(hmac(hex(x.k_idx), hex(x.subject)).subarray(0, 16), x.tag, 'tag'))
    for (const x of v.routes) {
      check('route of ' + x.tag, () => {
        let ctr = 0
        let h
        while (((h = hmac(hex(x.k_route), u8(ctr), hex(x.tag)))[0] >> 2) === 63) ctr++
        equal([ctr, h.toString('hex', 0, 8)], [x.ctr, x.route], 'route')
      })
    }
    for (const x of v.roots) {
      check('root of ' + x.shares.length, () => {
        const shares = [...x.shares].sort((a, b) => (a.holder < b.holder ? -1 : 1)).map((s) => hex(s.share))
        const prk = extract(cat(hex(x.tree), u64(x.epoch), hex(x.attempt)), cat(...shares))
        equal(expand(prk, ascii('lacuna/v1/root'), 32), x.root, 'root')
      })
    }
    for (const x of v.page_keys) {
      check(`page key of ${x.level}/${x.start}/${x.bits}`, () => {
        const width = 1 << (6 * x.level - x.bits)
        const first = Number(BigInt('0x' + x.start) >> BigInt(64 - 6 * x.level)) & 63
        let last = first + width - 1
        if (x.level === 1 && first !== 63) last = Math.min(last, 62)
        equal([first, last], [x.first, x.last], 'children')
        const ikm = cat(...v.children.slice(first, last + 1).map(hex))
        equal(expand(extract(Buffer.alloc(32), ikm), ascii('lacuna/v1/page'), 32), x.key, 'key')
      })
    }
    for (const x of v.row_keys) {
      check('row key ' + x.key, () => equal(cat(ascii('k'), u32(x.generation), u8(x.level), not(hex(x.start)), not(u64(x.epoch)), not(u32(x.version)), u32(x.n)), x.key, 'key'))
    }
    const entry = (b) => {
      need(b.length === 64 && (b[52] === 1 || b[52] === 2) && b[53] < 8 && b.readUInt16BE(48) > 0 && b.readUInt32BE(60) === 0, 'not an entry')
      return [b.toString('hex', 0, 16), b.toString('hex', 16, 48), b.readUInt16BE(48), b.readUInt16BE(50), b[52], b[53], b.readUInt16BE(54), b.readUInt16BE(56), b.readUInt16BE(58)]
    }
    for (const x of v.entries) {
      verdict(x.valid)('entry', () => equal(entry(hex(x.bytes)), [x.tag, x.dek, x.compartment, x.cohort, x.state, x.flags, x.created_day, x.expiry_day, x.review_day], 'entry'))
    }
    for (const x of v.system_pages) {
      verdict(x.valid)('system page, ' + x.name, () => {
        let b = hex(x.plaintext)
        need(b.length % 1024 === 0 && b[0] === 1, 'frame')
        const take = (n) => { need(b.length >= n, 'short'); const r = b.subarray(0, n); b = b.subarray(n); return r }
        take(1)
        const [idx, route, tags] = [take(32), take(32), take(32)]
        const n = take(1)[0]
        need(n >= 1 && n <= 3, 'generations')
        const gens = []
        for (let i = 0; i < n; i++) gens.push([take(4).readUInt32BE(), take(32).toString('hex'), take(32).toString('hex')])
        const kept = ([, , esc]) => /^0*$/.test(esc)
        gens.forEach((g, i) => need(g[0] > 0 && g[0] < 2 ** 32 - 1 && (i === 0 || (g[0] > gens[i - 1][0] && !kept(g))), 'generations'))
        const living = kept(gens[0]) ? gens.slice(1) : gens
        need(living.length === 1 || (living.length === 2 && living[1][0] === living[0][0] + 1), 'generations')
        const names = []
        for (let m = take(2).readUInt16BE(); m > 0; m--) names.push(take(take(1)[0]).toString('latin1'))
        need(b.length < 1024 && b.every((c) => c === 0), 'padding')
        equal([idx, route, tags].map((k) => k.toString('hex')), [x.k_idx, x.k_route, x.k_tags], 'keys')
        equal(gens, x.generations.map((g) => [g.g, g.k_env, g.k_esc]), 'generations')
        equal(names, x.compartments, 'compartments')
      })
    }
    for (const x of v.images) {
      verdict(x.valid)(x.name, () => {
        const image = hex(x.image)
        const header = image.subarray(0, 104)
        if (x.valid) equal(header, cat(u8(1), u8(x.kind), u8(x.level), u8(x.bits), hex(x.tree), hex(x.start), u64(x.epoch), u32(x.version), hex(x.chain), hex(x.salt)), 'header')
        const k = expand(hex(x.key), cat(ascii('lacuna/v1/image'), sha256(header)), 64)
        need(same(k.subarray(32), image.subarray(104, 136)), 'another key')
        equal(open(k.subarray(0, 32), image.subarray(136), header), x.plaintext, 'plaintext')
        equal(cat(header, k.subarray(32), seal(k.subarray(0, 32), hex(x.plaintext), header)), x.image, 'image')
      })
    }
    for (const x of v.deltas) {
      verdict(x.valid)('delta ' + x.n, () => {
        const delta = hex(x.delta)
        const ad = cat(hex(x.tree), u8(x.level), hex(x.start), u64(x.epoch), u32(x.n), hex(x.before))
        const k = expand(hex(x.key), cat(ascii('lacuna/v1/delta'), delta.subarray(0, 16)), 32)
        equal(open(k, delta.subarray(16), ad), x.entry, 'entry')
        equal(cat(hex(x.salt), seal(k, hex(x.entry), ad)), x.delta, 'delta')
      })
    }
    for (const x of v.keys) {
      check('what is derived from a DEK', () => {
        const key = extract(ascii('lacuna/v1'), hex(x.dek))
        equal(key, x.prk, 'PRK')
        equal(expand(key, cat(ascii('lacuna/v1/event'), u8(x.suite), hex(x.e)), 32), x.event_secret, 's')
        const rows = expand(key, ascii('lacuna/v1/rows'), 32)
        equal(rows, x.k_rows, 'K_rows')
        equal(hmac(rows, u8(1), u32(x.g), u64(x.seq)), x.row_name, 'T')
        const label = ascii('lacuna/v1/listed')
        const tag = expand(key, cat(label, u8(1), u32(x.g), u64(x.seq), hex(x.list_text)), 32).subarray(0, 16)
        const pad = expand(key, cat(label, u8(2), tag), 32)
        equal(cat(tag, hex(x.list_text).map((b, i) => b ^ pad[i])), x.list_sealed, 'what a list row says')
        const k = expand(key, cat(ascii('lacuna/v1/row'), hex(x.name)), 64)
        equal(cat(k.subarray(32), seal(k.subarray(0, 32), hex(x.plaintext), hex(x.name))), x.sealed, 'sealed row')
      })
    }
    for (const x of v.system_secrets) {
      check('what is derived from system secrets', () => {
        equal(hmac(hex(x.k_tags), u8(1), hex(x.id)).subarray(0, 16), x.request_tag, 'request tag')
        equal(hmac(hex(x.k_tags), u8(2), hex(x.content)).subarray(0, 16), x.content_mac, 'content MAC')
        const mask = createCipheriv('chacha20', hex(x.k_env), cat(Buffer.alloc(4), hex(x.leaf).subarray(2, 14)))
        equal(mask.update(hex(x.envelope)), x.masked, 'masked envelope')
        equal(hmac(hex(x.k_esc), u64(x.i)), x.blind, 'blinding')
      })
    }
    const mth = (d) => {
      if (d.length === 1) return sha256(u8(0), d[0])
      let k = 1
      while (k * 2 < d.length) k *= 2
      return sha256(u8(1), mth(d.slice(0, k)), mth(d.slice(k)))
    }
    for (const x of v.pages_roots) check('pages root of ' + x.images.length, () => equal(mth(x.images.map((i) => sha256(hex(i)))), x.root, 'root'))
  },
  'token-record.json': (v) => {
    for (const x of v.records) {
      verdict(x.valid)(x.name, () => {
        const b = hex(x.record)
        need(b.length === 124 && b.toString('latin1', 0, 8) === 'LCNT0001' && b.readBigUInt64BE(40) > 0n, 'not a record')
        const open = createDecipheriv('aes-256-gcm', hex(x.key), b.subarray(64, 76), { authTagLength: 16 })
        open.setAAD(b.subarray(0, 64))
        open.setAuthTag(b.subarray(108))
        let share
        try {
          share = cat(open.update(b.subarray(76, 108)), open.final())
        } catch {
          refuse('does not authenticate')
        }
        equal([b.toString('hex', 8, 24), b.toString('hex', 24, 40), Number(b.readBigUInt64BE(40)), b.toString('hex', 48, 64), share.toString('hex')],
          [x.holder, x.tree, x.epoch, x.attempt, x.share], 'record')
      })
    }
  },

  'holder-slot.json': (v) => {
    for (const x of v.slots) {
      verdict(x.valid)(x.name, () => {
        const b = Buffer.alloc(4096)
        hex(x.bytes).copy(b)
        if (x.at) b[x.at] = x.byte
        need(b.toString('latin1', 0, 8) === 'LCNH0001' && same(sha256(b.subarray(0, 96)), b.subarray(96, 128)), 'not a share')
        need(b.subarray(128).every((c) => c === 0) && b.readBigUInt64BE(40) > 0n, 'not a share')
        equal([b.toString('hex', 8, 24), b.toString('hex', 24, 40), Number(b.readBigUInt64BE(40)), b.toString('hex', 48, 64), b.toString('hex', 64, 96)],
          [x.holder, x.tree, x.epoch, x.attempt, x.share], 'slot')
      })
    }
    for (const x of v.sealed_slots) {
      verdict(x.valid)('sealed slot, ' + x.name, () => {
        const b = Buffer.alloc(4096)
        hex(x.bytes).copy(b)
        need(b.toString('latin1', 0, 8) === 'LCNH0002' && same(sha256(b.subarray(0, 137)), b.subarray(137, 169)), 'not a share')
        const [passes, memory, lanes] = [b.readUInt32BE(64), b.readUInt32BE(68), b[72]]
        need(b.subarray(169).every((c) => c === 0) && b.readBigUInt64BE(40) > 0n, 'not a share')
        need(passes >= 1 && passes <= 64 && lanes >= 1 && lanes <= 16 && memory >= 8 * lanes && memory <= 1 << 20, 'costs')
        const key = expand(hex(x.key), cat(ascii('lacuna/v1/slot'), b.subarray(0, 89)), 32)
        const open = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 })
        open.setAAD(b.subarray(0, 89), { plaintextLength: 32 })
        open.setAuthTag(b.subarray(121, 137))
        let share
        try {
          share = cat(open.update(b.subarray(89, 121)), open.final())
        } catch {
          refuse('does not authenticate')
        }
        equal([passes, memory, lanes, b.toString('hex', 73, 89), Number(b.readBigUInt64BE(40)), share.toString('hex')],
          [x.passes, x.memory_kib, x.lanes, x.salt, x.epoch, x.share], 'slot')
      })
    }
    for (const x of v.page_files) {
      verdict(x.valid)('page file, ' + x.name, () => {
        const all = hex(x.bytes)
        need(all.length >= 52 && all.toString('latin1', 0, 8) === 'LCNP0001' && same(sha256(all.subarray(0, -32)), all.subarray(-32)), 'not whole')
        let b = all.subarray(8, -32)
        const take = (n) => { need(b.length >= n, 'short'); const r = b.subarray(0, n); b = b.subarray(n); return r }
        const epoch = take(8).readBigUInt64BE()
        const pages = []
        for (let n = take(4).readUInt32BE(); n > 0; n--) {
          const key = take(take(2).readUInt16BE())
          const value = take(take(4).readUInt32BE())
          need(key.length > 0 && value.length > 0, 'empty')
          pages.push([key.toString('hex'), value.toString('hex')])
        }
        need(b.length === 0 && epoch > 0n, 'form')
        equal([Number(epoch), pages], [x.epoch, x.pages ?? []], 'page file')
      })
    }
  },
  'custodian.json': (v) => {
    const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b }
    const ed25519 = (raw) => createPublicKey({ key: cat(hex('302a300506032b6570032100'), raw), format: 'der', type: 'spki' })
    for (const x of v.invitations) {
      verdict(x.valid)(x.name, () => {
        const [tag, address, secret, ...rest] = x.text.split('/')
        need(tag === 'lacuna-custodian' && rest.length === 0 && /^[!-~]+:[1-9][0-9]*$/.test(address), 'form')
        const b = fromB64url(secret, 48)
        equal([b.toString('hex', 0, 32), b.toString('hex', 32)], [x.key, x.secret], 'invitation')
      })
    }
    for (const x of v.statements) {
      verdict(x.valid)(x.name, () => {
        const s = x.statement
        const sig = fromB64(s.signature ?? '')
        need(sig.length === 96, 'not signed')
        const key = sig.subarray(0, 32)
        need(same(sha256(ascii('lacuna/v1/custodian'), key).subarray(0, 16), hex(s.holder)), 'another key')
        const numbers = s.destroyed.map(u64)
        const level = Buffer.from([Number(s.level.slice(1))])
        const text = cat(ascii('lacuna/v1/statement'), hex(s.holder), Buffer.from([s.kind.length]), ascii(s.kind), level, hex(s.tree), u64(s.epoch), hex(s.attempt),
          u32(numbers.length), ...numbers, u32(s.overwritten), u32(s.copies))
        need(verifySignature(null, text, ed25519(key), sig.subarray(32)), 'signature')
        equal(cat(level, u32(s.overwritten), u32(s.copies), Buffer.from([numbers.length]), ...numbers, sig), x.answer, 'answer')
      })
    }
    for (const x of v.frames) {
      check(x.name, () => equal(cat(u32(1 + x.fields.length / 2), Buffer.from([x.first]), hex(x.fields)), x.bytes, 'frame'))
    }
    const s = v.statements[0].statement
    const about = cat(hex(s.tree), u64(s.epoch), hex(s.attempt)).toString('hex')
    const field = (name) => v.frames.find((x) => x.name === name).fields
    check('fields', () => {
      equal(field('destroy'), about, 'destroy')
      equal(field('prepare').slice(0, 80), about, 'prepare')
      equal(field('answer to current'), '01' + field('prepare'), 'current')
      equal(field('answer to destroy'), v.statements[0].answer, 'answer to destroy')
      equal(field('enrol'), v.invitations[0].secret, 'enrol')
    })
  },
  'proof.json': (v) => {
    for (const x of v.proofs) {
      verdict(x.parses)(x.name + ', form', () => equal(parseProof(x.proof).extra, x.extra, 'extra'))
      verdict(x.valid)(x.name, () => verifyProof(x.proof, hex(x.entry), x.vkey))
    }
  },
  'epoch-record.json': (v) => {
    const digests = v.members.map((m) => {
      const D = b64url(Buffer.from(jcs([m.salt, m.name, m.value])))
      check('disclosure of ' + m.name, () => equal([D, b64url(sha256(ascii(D)))], [m.disclosure, m.digest], 'disclosure'))
      return [m.name, sha256(ascii(D))]
    })
    const c = hmac(b32(v.rho), ascii('lacuna/v1/request'), sha256(Buffer.from(v.origin)), dP(digests))
    check('commitment', () => equal(b64url(c), v.commitment, 'commitment'))
    const t = sha256(ascii('lacuna/v1/terms'), Buffer.from(jcs(v.terms)))
    check('terms', () => equal(b64url(t), v.terms_digest, 'digest'))
    const leaf = sha256(Buffer.from([5]), c, t)
    check('leaf', () => equal(b64url(leaf), v.requests_leaf, 'leaf'))
    check('requests root', () => {
      const root = climb({ count: v.entries, hash: leaf }, v.place, 64, nodes(v.path), sum)
      equal([root.count, b64url(root.hash)], [v.requests_root.count, v.requests_root.hash], 'root')
      equal(canonical(Buffer.from(v.record)).requests_root, b64url(root.hash), 'root of the record')
    })
    check('record', () => equal(b64url(statementHash(v.record)), v.record_leaf_hash, 'leaf hash'))
    for (const text of [v.subject_copy, v.officer_copy]) {
      const cert = canonical(Buffer.from(text))
      check(cert.copy + ' copy', () => equal(jcs(cert.terms), jcs(v.terms), 'terms'))
    }
  },
  'certificate.json': (v) => {
    for (const x of v.cases) {
      verdict(x.valid)(x.name, () => {
        const approved = verifyCertificate(x.certificate, x.record, v.record_index, v.approvers)
        if (x.valid) equal(approved, x.approved_by ?? [], 'approved by')
      })
    }
  },
  'erased-set.json': (v) => {
    for (const x of v.sets) {
      check(`a set of ${x.set.size}`, () => {
        const blind = (i) => hmac(b32(x.k_esc), u64(i))
        const erased = (i) => i % x.erased_every === 1
        for (const b of x.blinds) {
          equal([b64url(blind(b.index)), b64url(bitHash(x.set.generation, b.index, erased(b.index), blind(b.index)))], [b.blind, b.hash], 'bit')
        }
        const blocks = []
        for (let b = 0; b < blocksOf(x.set.size); b++) {
          const hashes = []
          let count = 0
          for (let i = b * BLOCK; i < b * BLOCK + blockLeaves(b, x.set.size); i++) {
            count += erased(i) ? 1 : 0
            hashes.push(bitHash(x.set.generation, i, erased(i), blind(i)))
          }
          blocks.push({ count, hash: foldLevels(hashes, inner) })
        }
        const root = blocks.length > 0 ? foldLevels(blocks, sum) : { count: 0, hash: sha256() }
        equal([root.count, b64url(root.hash)], [x.set.erased, x.set.root], 'root')
      })
    }
    for (const x of v.bits) verdict(x.valid)('bit, ' + x.name, () => verifyBit(x.proof, x.set))
    for (const x of v.blocks) verdict(x.valid)('block, ' + x.name, () => verifyBlock(x.proof, x.set))
    for (const x of v.draws) check(`draw of ${x.n} from ${x.size}`, () => equal(draw(b32(x.seed), x.size, x.n), x.drawn, 'draw'))
    for (const x of v.paired) verdict(x.valid)('paired openings, ' + x.name, () => verifyPaired(x))
  },
  'lost-entries.json': (v) => {
    for (const x of v.statements) {
      verdict(x.valid)(x.name, () => {
        parseLostRecord(x.statement)
        if (x.valid) equal(b64url(statementHash(x.statement)), x.leaf_hash, 'leaf hash')
      })
    }
    for (const x of v.openings) verdict(x.valid)('opening, ' + x.name, () => verifyLostOpening(x))
  },
  'sweep-record.json': (v) => {
    for (const x of v.records) {
      verdict(x.valid)(x.name, () => {
        parseSweepRecord(x.record)
        equal(b64url(statementHash(x.record)), x.leaf_hash, 'leaf hash')
      })
    }
  },
  'evidence.json': (v) => {
    for (const x of v.cases) {
      const show = () => equal(verifyEvidence(x.file, v.origin, v.vkey), x.verdict, 'kind')
      if (x.verdict === 'refused') refused(x.name, show)
      else check(x.name, show)
    }
  },
  'rows.json': (v) => {
    for (const x of v.runs) {
      verdict(x.valid)('run, ' + x.name, () => {
        const run = parseRun(hex(x.text))
        if (!x.valid) return
        if (run === null) return equal([x.events, x.first, x.last], [0, 0, 0], 'what says nothing')
        const print = sha256(Buffer.from(x.purpose)).subarray(0, 4)
        equal([run.events, run.first, run.last], [x.events, x.first, x.last], 'run')
        equal(run.print, print, 'purpose')
        equal(writeRun(x.events, print, x.first, x.last), x.text, 'text')
      })
    }
  },
  'backup.json': (v) => {
    for (const x of v.cases) verdict(x.valid)(x.name, () => parseManifest(x.manifest))
  },
  'consistency.json': (v) => {
    for (const x of v.cases) {
      const compare = () => equal(compareCheckpoints(x.old, x.new, x.proof, v.vkey), x.outcome, 'outcome')
      if (x.outcome === 'refused') refused(x.name, compare)
      else check(x.name, compare)
    }
  }
}

for (const [name, run] of Object.entries(files)) {
  if (process.argv.length > 2 && !process.argv.includes(name)) continue
  const file = new URL(name, import.meta.url)
  if (!existsSync(file)) {
    console.log(`${name}: not here`)
    failed++
    continue
  }
  const before = passed + failed
  run(JSON.parse(readFileSync(file, 'utf8')))
  console.log(`${name}: ${passed + failed - before} vectors`)
}
if (undecided > 0) console.log(`${undecided} signatures of ML-DSA-44 not verified: this takes node 24`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
