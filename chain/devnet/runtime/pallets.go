package runtime

// pallet is one row of the tables: what the metadata says of a pallet, in the tables' notation. Names, indices, types and hashers are those of
// subtensor at spec 425; what the local chain has no use for is left out, so indices have gaps.
type pallet struct {
	name      string
	index     byte
	path      string // of its types in Rust
	calls     []variant
	storage   []entry
	events    []variant
	errors    []variant
	constants []constant
}

type variant struct {
	index  byte
	name   string
	fields string // {name: type, ...} or (type, ...)
}

type entry struct {
	name  string
	keys  string // hasher type, ...
	value string
	// fallback is what an absent key means: a value, nil for the type's zero, or optional.
	fallback any
}

// optional marks storage whose absence means that there is nothing.
type optional struct{}

type constant struct {
	name, typ string
	value     any
}

// extensions are the signed extensions of spec 424, in order (runtime/src/lib.rs).
var extensions = []struct{ name, extra, additional string }{
	{"CheckNonZeroSender", "CheckNonZeroSender", "()"},
	{"CheckSpecVersion", "CheckSpecVersion", "u32"},
	{"CheckTxVersion", "CheckTxVersion", "u32"},
	{"CheckGenesis", "CheckGenesis", "H256"},
	{"CheckMortality", "CheckMortality", "H256"},
	{"CheckNonce", "CheckNonce", "()"},
	{"CheckWeight", "CheckWeight", "()"},
	{"ChargeTransactionPayment", "ChargeTransactionPayment", "()"},
	{"SudoTransactionExtension", "SudoTransactionExtension", "()"},
	{"CheckShieldedTxValidity", "CheckShieldedTxValidity", "()"},
	{"SubtensorTransactionExtension", "SubtensorTransactionExtension", "()"},
	{"DrandPriority", "DrandPriority", "()"},
	{"CheckMetadataHash", "CheckMetadataHash", "Option<[u8; 32]>"},
}

func pallets(v Version, shift byte) []pallet {
	all := []pallet{system(v), timestamp, balances, transactionPayment, subtensor, utility, sudo, adminUtils, drand}
	for i := range all {
		if all[i].index >= subtensor.index {
			all[i].index += shift
		}
	}
	return all
}

func system(v Version) pallet {
	return pallet{
		name: "System", index: 0, path: "frame_system::pallet",
		calls: []variant{{0, "remark", "{remark: Vec<u8>}"}, {7, "remark_with_event", "{remark: Vec<u8>}"}},
		storage: []entry{
			{"Account", "blake2_128_concat AccountId32", "AccountInfo", account(0)},
			{"BlockHash", "twox64_concat u32", "H256", nil},
			{"Number", "", "u32", nil},
			{"ParentHash", "", "H256", nil},
			{"Events", "", "Vec<EventRecord>", nil},
			{"EventCount", "", "u32", nil},
			{"LastRuntimeUpgrade", "", "LastRuntimeUpgradeInfo", optional{}},
			{"ExecutionPhase", "", "Phase", optional{}},
		},
		events: []variant{
			{0, "ExtrinsicSuccess", "{dispatch_info: DispatchEventInfo}"},
			{1, "ExtrinsicFailed", "{dispatch_error: DispatchError, dispatch_info: DispatchEventInfo}"},
			{3, "NewAccount", "{account: AccountId32}"},
			{5, "Remarked", "{sender: AccountId32, hash: H256}"},
		},
		errors: []variant{{5, "CallFiltered", ""}},
		constants: []constant{
			{"BlockHashCount", "u32", blockHashCount},
			{"Version", "RuntimeVersion", v.value()},
			{"SS58Prefix", "u16", 42},
		},
	}
}

var timestamp = pallet{
	name: "Timestamp", index: 2, path: "pallet_timestamp::pallet",
	calls:     []variant{{0, "set", "{now: Compact<u64>}"}},
	storage:   []entry{{"Now", "", "u64", nil}, {"DidUpdate", "", "bool", nil}},
	constants: []constant{{"MinimumPeriod", "u64", 6000}},
}

var balances = pallet{
	name: "Balances", index: 5, path: "pallet_balances::pallet",
	calls: []variant{
		{0, "transfer_allow_death", "{dest: MultiAddress, value: Compact<u64>}"},
		{3, "transfer_keep_alive", "{dest: MultiAddress, value: Compact<u64>}"},
	},
	storage: []entry{{"TotalIssuance", "", "u64", nil}},
	events: []variant{
		{0, "Endowed", "{account: AccountId32, free_balance: u64}"},
		{2, "Transfer", "{from: AccountId32, to: AccountId32, amount: u64}"},
		{7, "Deposit", "{who: AccountId32, amount: u64}"},
		{8, "Withdraw", "{who: AccountId32, amount: u64}"},
	},
	errors:    []variant{{2, "InsufficientBalance", ""}, {3, "ExistentialDeposit", ""}, {4, "Expendability", ""}},
	constants: []constant{{"ExistentialDeposit", "u64", existentialDeposit}},
}

var transactionPayment = pallet{
	name: "TransactionPayment", index: 6, path: "pallet_transaction_payment::pallet",
	events: []variant{{0, "TransactionFeePaid", "{who: AccountId32, actual_fee: u64, tip: u64}"}},
}

var utility = pallet{
	name: "Utility", index: 11, path: "pallet_subtensor_utility::pallet",
	calls: []variant{{0, "batch", "{calls: Vec<RuntimeCall>}"}, {2, "batch_all", "{calls: Vec<RuntimeCall>}"}},
	events: []variant{
		{0, "BatchInterrupted", "{index: u32, error: DispatchError}"}, {1, "BatchCompleted", ""}, {3, "ItemCompleted", ""},
	},
	errors: []variant{{0, "TooManyCalls", ""}},
}

var sudo = pallet{
	name: "Sudo", index: 12, path: "pallet_sudo::pallet",
	calls:   []variant{{0, "sudo", "{call: RuntimeCall}"}},
	storage: []entry{{"Key", "", "AccountId32", optional{}}},
	events:  []variant{{0, "Sudid", "{sudo_result: DispatchResult}"}},
	errors:  []variant{{0, "RequireSudo", ""}},
}

// adminUtils sets the parameters of a subnet; all its calls here take the subnet and one value, or one value.
var adminUtils = pallet{
	name: "AdminUtils", index: 19, path: "pallet_admin_utils::pallet",
	calls: []variant{
		{3, "sudo_set_serving_rate_limit", "{netuid: NetUid, serving_rate_limit: u64}"},
		{6, "sudo_set_weights_version_key", "{netuid: NetUid, weights_version_key: u64}"},
		{7, "sudo_set_weights_set_rate_limit", "{netuid: NetUid, weights_set_rate_limit: u64}"},
		{13, "sudo_set_immunity_period", "{netuid: NetUid, immunity_period: u16}"},
		{14, "sudo_set_min_allowed_weights", "{netuid: NetUid, min_allowed_weights: u16}"},
		{15, "sudo_set_max_allowed_uids", "{netuid: NetUid, max_allowed_uids: u16}"},
		{16, "sudo_set_kappa", "{netuid: NetUid, kappa: u16}"},
		{19, "sudo_set_network_registration_allowed", "{netuid: NetUid, registration_allowed: bool}"},
		{25, "sudo_set_max_allowed_validators", "{netuid: NetUid, max_allowed_validators: u16}"},
		{30, "sudo_set_tempo", "{netuid: NetUid, tempo: u16}"},
		{42, "sudo_set_stake_threshold", "{min_stake: u64}"},
		{49, "sudo_set_commit_reveal_weights_enabled", "{netuid: NetUid, enabled: bool}"},
		{57, "sudo_set_commit_reveal_weights_interval", "{netuid: NetUid, interval: u64}"},
		{71, "sudo_set_commit_reveal_version", "{version: u16}"},
		{76, "sudo_set_mechanism_count", "{netuid: NetUid, mechanism_count: MechId}"},
	},
	errors: []variant{{0, "SubnetDoesNotExist", ""}, {10, "InvalidValue", ""}},
}

var drand = pallet{
	name: "Drand", index: 26, path: "pallet_drand::pallet",
	storage: []entry{
		{"BeaconConfig", "", "BeaconConfiguration", nil},
		{"Pulses", "blake2_128_concat u64", "Pulse", optional{}},
		{"LastStoredRound", "", "u64", nil},
		{"OldestStoredRound", "", "u64", nil},
	},
	events: []variant{{0, "BeaconConfigChanged", ""}, {1, "NewPulse", "{rounds: Vec<u64>}"}},
	errors: []variant{{3, "UnverifiedPulse", ""}, {4, "InvalidRoundNumber", ""}},
}
