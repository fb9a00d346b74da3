package runtime

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vision19/vision/chain/scale"
)

// named are the types with a name, as the tables write them: a struct is {field: type, ...}, a wrapper (type), an enum its variants, each with an
// index where it does not follow the one before.
var named = []struct{ name, path, def string }{
	{"AccountId32", "sp_core::crypto::AccountId32", "([u8; 32])"},
	{"H256", "primitive_types::H256", "([u8; 32])"},
	{"Str", "", "str"},
	{"CowStr", "Cow", "(str)"},
	{"CowApis", "Cow", "(Vec<([u8; 8], u32)>)"},
	{"MultiAddress", "sp_runtime::multiaddress::MultiAddress", "enum Id(AccountId32), Index(Compact<()>), Raw(Vec<u8>), Address32([u8; 32]), Address20([u8; 20])"},
	{"MultiSignature", "sp_runtime::MultiSignature", "enum Ed25519([u8; 64]), Sr25519([u8; 64]), Ecdsa([u8; 65])"},
	{"AccountInfo", "frame_system::AccountInfo", "{nonce: u32, consumers: u32, providers: u32, sufficients: u32, data: AccountData}"},
	{"AccountData", "pallet_balances::types::AccountData", "{free: u64, reserved: u64, frozen: u64, flags: ExtraFlags}"},
	{"ExtraFlags", "pallet_balances::types::ExtraFlags", "(u128)"},
	{"Weight", "sp_weights::weight_v2::Weight", "{ref_time: Compact<u64>, proof_size: Compact<u64>}"},
	{"DispatchClass", "frame_support::dispatch::DispatchClass", "enum Normal, Operational, Mandatory"},
	{"Pays", "frame_support::dispatch::Pays", "enum Yes, No"},
	{"DispatchEventInfo", "frame_system::DispatchEventInfo", "{weight: Weight, class: DispatchClass, pays_fee: Pays}"},
	{"DispatchError", "sp_runtime::DispatchError", "enum Other, CannotLookup, BadOrigin, Module(ModuleError), ConsumerRemaining, NoProviders, TooManyConsumers, " +
		"Token(TokenError), Arithmetic(ArithmeticError), Transactional(TransactionalError), Exhausted, Corruption, Unavailable, RootNotAllowed, Trie(TrieError)"},
	{"ModuleError", "sp_runtime::ModuleError", "{index: u8, error: [u8; 4]}"},
	{"TokenError", "sp_runtime::TokenError", "enum FundsUnavailable, OnlyProvider, BelowMinimum, CannotCreate, UnknownAsset, Frozen, Unsupported, CannotCreateHold, NotExpendable, Blocked"},
	{"ArithmeticError", "sp_arithmetic::ArithmeticError", "enum Underflow, Overflow, DivisionByZero"},
	{"TransactionalError", "sp_runtime::TransactionalError", "enum LimitReached, NoLayer"},
	{"TrieError", "sp_runtime::proving_trie::TrieError", "enum InvalidStateRoot, IncompleteDatabase, ValueAtIncompleteKey, DecoderError, InvalidHash, DuplicateKey, " +
		"ExtraneousNode, ExtraneousValue, ExtraneousHashReference, InvalidChildReference, ValueMismatch, IncompleteProof, RootMismatch, DecodeError"},
	{"Phase", "frame_system::Phase", "enum ApplyExtrinsic(u32), Finalization, Initialization"},
	{"EventRecord", "frame_system::EventRecord", "{phase: Phase, event: RuntimeEvent, topics: Vec<H256>}"},
	{"LastRuntimeUpgradeInfo", "frame_system::LastRuntimeUpgradeInfo", "{spec_version: Compact<u32>, spec_name: CowStr}"},
	{"RuntimeVersion", "sp_version::RuntimeVersion", "{spec_name: CowStr, impl_name: CowStr, authoring_version: u32, spec_version: u32, impl_version: u32, " +
		"apis: CowApis, transaction_version: u32, system_version: u8}"},
	{"Commit", "bounded_collections::bounded_vec::BoundedVec", "(Vec<u8>)"},
	{"FixedU128", "substrate_fixed::FixedU128", "{bits: u128}"},
	{"FixedI128", "substrate_fixed::FixedI128", "{bits: i128}"},
	{"FixedI64", "substrate_fixed::FixedI64", "{bits: i64}"},
	{"AxonInfo", "pallet_subtensor::pallet::AxonInfo", "{block: u64, version: u32, ip: u128, port: u16, ip_type: u8, protocol: u8, placeholder1: u8, placeholder2: u8}"},
	{"PrometheusInfo", "pallet_subtensor::pallet::PrometheusInfo", "{block: u64, version: u32, ip: u128, port: u16, ip_type: u8}"},
	{"SubnetIdentityV3", "pallet_subtensor::pallet::SubnetIdentityV3", "{subnet_name: Vec<u8>, github_repo: Vec<u8>, subnet_contact: Vec<u8>, subnet_url: Vec<u8>, " +
		"discord: Vec<u8>, description: Vec<u8>, logo_url: Vec<u8>, additional: Vec<u8>}"},
	{"ChainIdentityV2", "pallet_subtensor::pallet::ChainIdentityV2", "{name: Vec<u8>, url: Vec<u8>, github_repo: Vec<u8>, image: Vec<u8>, discord: Vec<u8>, description: Vec<u8>, additional: Vec<u8>}"},
	{"Pulse", "pallet_drand::types::Pulse", "{round: u64, randomness: Commit, signature: Commit}"},
	{"BeaconConfiguration", "pallet_drand::types::BeaconConfiguration", "{public_key: Commit, period: u32, genesis_time: u32, hash: Commit, group_hash: Commit, scheme_id: Commit, metadata: BeaconMetadata}"},
	{"BeaconMetadata", "pallet_drand::types::Metadata", "{beacon_id: Commit}"},
	{"Mode", "frame_metadata_hash_extension::Mode", "enum Disabled, Enabled"},
	{"CheckMetadataHash", "frame_metadata_hash_extension::CheckMetadataHash", "{mode: Mode}"},
	{"CheckNonce", "node_subtensor_runtime::check_nonce::CheckNonce", "(Compact<u32>)"},
	{"ChargeTransactionPayment", "pallet_transaction_payment::ChargeTransactionPayment", "(Compact<u64>)"},
	{"CheckMortality", "node_subtensor_runtime::check_mortality::CheckMortality", "(Era)"},
	{"CheckNonZeroSender", "frame_system::extensions::check_non_zero_sender::CheckNonZeroSender", "{}"},
	{"CheckSpecVersion", "frame_system::extensions::check_spec_version::CheckSpecVersion", "{}"},
	{"CheckTxVersion", "frame_system::extensions::check_tx_version::CheckTxVersion", "{}"},
	{"CheckGenesis", "frame_system::extensions::check_genesis::CheckGenesis", "{}"},
	{"CheckWeight", "frame_system::extensions::check_weight::CheckWeight", "{}"},
	{"SudoTransactionExtension", "node_subtensor_runtime::sudo_wrapper::SudoTransactionExtension", "{}"},
	{"CheckShieldedTxValidity", "pallet_shield::extension::CheckShieldedTxValidity", "{}"},
	{"SubtensorTransactionExtension", "pallet_subtensor::extensions::subtensor::SubtensorTransactionExtension", "{}"},
	{"DrandPriority", "pallet_drand::drand_priority::DrandPriority", "{}"},
	{"Runtime", "node_subtensor_runtime::Runtime", "{}"},
	{"OpaqueMetadata", "sp_core::OpaqueMetadata", "(Vec<u8>)"},
	{"UncheckedExtrinsic", "sp_runtime::OpaqueExtrinsic", "(Vec<u8>)"},
	{"TransactionSource", "sp_runtime::transaction_validity::TransactionSource", "enum InBlock, Local, External"},
	{"ValidTransaction", "sp_runtime::transaction_validity::ValidTransaction", "{priority: u64, requires: Vec<Vec<u8>>, provides: Vec<Vec<u8>>, longevity: u64, propagate: bool}"},
	{"TransactionValidityError", "sp_runtime::transaction_validity::TransactionValidityError", "enum Invalid(InvalidTransaction), Unknown(UnknownTransaction)"},
	{"InvalidTransaction", "sp_runtime::transaction_validity::InvalidTransaction", "enum Call, Payment, Future, Stale, BadProof, AncientBirthBlock, ExhaustsResources, " +
		"Custom(u8), BadMandatory, MandatoryValidation, BadSigner, IndeterminateImplicit, UnknownOrigin"},
	{"UnknownTransaction", "sp_runtime::transaction_validity::UnknownTransaction", "enum CannotLookup, NoUnsignedValidator, Custom(u8)"},
	{"RuntimeDispatchInfo", "pallet_transaction_payment::types::RuntimeDispatchInfo", "{weight: Weight, class: DispatchClass, partial_fee: u64}"},
	{"NeuronInfoLite", "pallet_subtensor::rpc_info::neuron_info::NeuronInfoLite", "{hotkey: AccountId32, coldkey: AccountId32, uid: Compact<u16>, netuid: Compact<u16>, " +
		"active: bool, axon_info: AxonInfo, prometheus_info: PrometheusInfo, stake: Vec<(AccountId32, Compact<u64>)>, rank: Compact<u16>, emission: Compact<u64>, " +
		"incentive: Compact<u16>, consensus: Compact<u16>, trust: Compact<u16>, validator_trust: Compact<u16>, dividends: Compact<u16>, last_update: Compact<u64>, " +
		"validator_permit: bool, pruning_score: Compact<u16>}"},
	{"HyperparamValue", "pallet_subtensor::rpc_info::subnet_info::HyperparamValue", "enum Bool(bool), U16(Compact<u16>), U32(Compact<u32>), U64(Compact<u64>), " +
		"U128(Compact<u128>), TaoBalance(Compact<u64>), I32F32(FixedI64), U64F64(FixedU128)"},
	{"HyperparamEntry", "pallet_subtensor::rpc_info::subnet_info::HyperparamEntry", "{name: Vec<u8>, value: HyperparamValue}"},
}

// aliases are names that the metadata does not show as types.
var aliases = map[string]string{
	"NetUid": "u16", "NetUidStorageIndex": "u16", "MechId": "u8", "TaoBalance": "u64", "AlphaBalance": "u64", "U64F64": "FixedU128", "I96F32": "FixedI128",
	"DispatchResult": "Result<(), DispatchError>",
}

var primitives = []string{"bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "u256", "i8", "i16", "i32", "i64", "i128", "i256"}

// registry gives types their numbers as they are first named.
type registry struct {
	types []scale.Type
	ids   map[string]int
	defs  map[string][2]string // path and definition
}

func newRegistry() *registry {
	r := &registry{ids: map[string]int{}, defs: map[string][2]string{}}
	for _, n := range named {
		r.defs[n.name] = [2]string{n.path, n.def}
	}
	return r
}

// define adds a named type that a table was not enough for.
func (r *registry) define(name, path, def string) { r.defs[name] = [2]string{path, def} }

// id is the number of a type, which it gets now if it had none. The notation is the tables' own, so what it does not understand is a mistake there:
// it panics, and the first test finds it.
func (r *registry) id(name string) int {
	name = strings.TrimSpace(name)
	if a, ok := aliases[name]; ok {
		name = a
	}
	if id, ok := r.ids[name]; ok {
		return id
	}
	id := len(r.types)
	r.ids[name] = id
	r.types = append(r.types, scale.Type{}) // its place, before the types in it take theirs: a type may hold itself
	t := r.build(name)
	r.types[id] = t
	return id
}

func (r *registry) build(name string) scale.Type {
	if inner, ok := within(name, "Vec<", ">"); ok {
		return scale.Type{Def: scale.Def{Kind: scale.Sequence, Elem: r.id(inner)}}
	}
	if inner, ok := within(name, "Compact<", ">"); ok {
		return scale.Type{Def: scale.Def{Kind: scale.Compact, Elem: r.id(inner)}}
	}
	if inner, ok := within(name, "Option<", ">"); ok {
		some := r.id(inner)
		return scale.Type{Path: []string{"Option"}, Params: []scale.Param{{Name: "T", Type: some}}, Def: scale.Def{Kind: scale.Variants, Variants: []scale.Variant{
			{Name: "None"}, {Name: "Some", Index: 1, Fields: []scale.Field{{Type: some}}}}}}
	}
	if inner, ok := within(name, "Result<", ">"); ok {
		both := split(inner)
		good, bad := r.id(both[0]), r.id(both[1])
		return scale.Type{Path: []string{"Result"}, Params: []scale.Param{{Name: "T", Type: good}, {Name: "E", Type: bad}}, Def: scale.Def{Kind: scale.Variants,
			Variants: []scale.Variant{{Name: "Ok", Fields: []scale.Field{{Type: good}}}, {Name: "Err", Index: 1, Fields: []scale.Field{{Type: bad}}}}}}
	}
	if inner, ok := within(name, "[", "]"); ok {
		elem, size, _ := strings.Cut(inner, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 10, 32)
		if err != nil {
			panic(fmt.Sprintf("type %q: %v", name, err))
		}
		return scale.Type{Def: scale.Def{Kind: scale.Array, Elem: r.id(elem), Len: uint32(n)}}
	}
	if inner, ok := within(name, "(", ")"); ok {
		var items []int
		for _, item := range split(inner) {
			items = append(items, r.id(item))
		}
		return scale.Type{Def: scale.Def{Kind: scale.Tuple, Items: items}}
	}
	for i, p := range primitives {
		if p == name {
			return scale.Type{Def: scale.Def{Kind: scale.Primitive, Prim: scale.Prim(i)}}
		}
	}
	def, ok := r.defs[name]
	if !ok {
		panic(fmt.Sprintf("type %q is not in the table", name))
	}
	return r.composed(def[0], def[1])
}

// composed is a named struct, wrapper or enum.
func (r *registry) composed(path, def string) scale.Type {
	t := scale.Type{Path: strings.Split(path, "::")}
	if variants, ok := strings.CutPrefix(def, "enum "); ok {
		t.Def.Kind = scale.Variants
		for i, v := range split(variants) {
			name, fields := v, ""
			if at := strings.IndexAny(v, "({"); at >= 0 {
				name, fields = v[:at], v[at:]
			}
			t.Def.Variants = append(t.Def.Variants, scale.Variant{Name: name, Index: byte(i), Fields: r.fields(fields)})
		}
		return t
	}
	t.Def = scale.Def{Kind: scale.Composite, Fields: r.fields(def)}
	return t
}

// fields reads {name: type, ...} or (type, ...).
func (r *registry) fields(s string) []scale.Field {
	var fields []scale.Field
	if inner, ok := within(s, "(", ")"); ok {
		for _, typ := range split(inner) {
			fields = append(fields, scale.Field{Type: r.id(typ), TypeName: typ})
		}
	}
	if inner, ok := within(s, "{", "}"); ok {
		for _, f := range split(inner) {
			name, typ, _ := strings.Cut(f, ":")
			typ = strings.TrimSpace(typ)
			fields = append(fields, scale.Field{Name: name, Type: r.id(typ), TypeName: typ})
		}
	}
	return fields
}

func within(s, open, end string) (string, bool) {
	if rest, ok := strings.CutPrefix(s, open); ok {
		return strings.CutSuffix(rest, end)
	}
	return "", false
}

// split cuts at the commas that are in no brackets.
func split(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i, c := range s {
		switch {
		case strings.ContainsRune("<([{", c):
			depth++
		case strings.ContainsRune(">)]}", c):
			depth--
		case c == ',' && depth == 0:
			parts, from = append(parts, strings.TrimSpace(s[from:i])), i+1
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// zero is the least value of a type: numbers 0, sequences empty, the first variant. It is what storage gives where nothing else is said.
func (r *registry) zero(id int) []byte {
	t := &r.types[id].Def
	var out []byte
	switch t.Kind {
	case scale.Composite:
		for _, f := range t.Fields {
			out = append(out, r.zero(f.Type)...)
		}
	case scale.Variants:
		out = append(out, t.Variants[0].Index)
		for _, f := range t.Variants[0].Fields {
			out = append(out, r.zero(f.Type)...)
		}
	case scale.Array:
		for range t.Len {
			out = append(out, r.zero(t.Elem)...)
		}
	case scale.Tuple:
		for _, item := range t.Items {
			out = append(out, r.zero(item)...)
		}
	case scale.Primitive:
		out = make([]byte, [...]int{1, 4, 1, 1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32}[t.Prim])
	default:
		out = []byte{0}
	}
	return out
}
