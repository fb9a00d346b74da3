package runtime

import (
	"errors"
	"fmt"

	"github.com/vision19/vision/chain/scale"
)

// api is a runtime API: its functions, with inputs and output in the tables' notation.
type api struct {
	name      string
	version   uint32
	functions []function
}

type function struct {
	name, inputs, output string
	run                  func(s state, a args) (any, error)
}

// encoded is an output that is SCALE already.
type encoded []byte

// apis are the functions that state_call knows. Core's and BlockBuilder's others are the node's own business.
func apis() []api {
	mechagraph := func(s state, a args) (any, error) {
		b, err := s.metagraphOf(a.n("netuid"), a.n("subid"), false, a.shorts("metagraph_indexes"))
		return encoded(b), err
	}
	return []api{
		{"Core", 5, []function{{"version", "", "RuntimeVersion", func(s state, _ args) (any, error) { return s.version.value(), nil }}}},
		{"Metadata", 2, []function{
			{"metadata", "", "OpaqueMetadata", func(s state, _ args) (any, error) { return s.v14, nil }},
			{"metadata_at_version", "version: u32", "Option<OpaqueMetadata>", func(s state, a args) (any, error) {
				if v := a.n("version"); v == 14 || v == 15 {
					b, _ := s.Metadata(byte(v))
					return b, nil
				}
				return nil, nil
			}},
			{"metadata_versions", "", "Vec<u32>", func(state, args) (any, error) { return []uint32{14, 15}, nil }},
		}},
		{"TaggedTransactionQueue", 3, []function{{"validate_transaction", "source: TransactionSource, tx: UncheckedExtrinsic, block_hash: H256",
			"Result<ValidTransaction, TransactionValidityError>", validateTransaction}}},
		{"AccountNonceApi", 1, []function{{"account_nonce", "account: AccountId32", "u32",
			func(s state, a args) (any, error) { return s.account(a.b("account")).nonce, nil }}}},
		{"TransactionPaymentApi", 4, []function{{"query_info", "uxt: UncheckedExtrinsic, len: u32", "RuntimeDispatchInfo", queryInfo}}},
		{"NeuronInfoRuntimeApi", 1, []function{{"get_neurons_lite", "netuid: NetUid", "Vec<NeuronInfoLite>",
			func(s state, a args) (any, error) { return s.neuronsLite(a.n("netuid")), nil }}}},
		{"SubnetInfoRuntimeApi", 2, []function{
			{"get_subnet_hyperparams_v3", "netuid: NetUid", "Option<Vec<HyperparamEntry>>",
				func(s state, a args) (any, error) { return s.hyperparams(a.n("netuid")), nil }},
			{"get_metagraph", "netuid: NetUid", "Option<Metagraph>", func(s state, a args) (any, error) {
				b, err := s.metagraphOf(a.n("netuid"), 0, true, nil)
				return encoded(b), err
			}},
			{"get_selective_metagraph", "netuid: NetUid, metagraph_indexes: Vec<u16>", "Option<SelectiveMetagraph>", mechagraph},
			{"get_selective_mechagraph", "netuid: NetUid, subid: MechId, metagraph_indexes: Vec<u16>", "Option<SelectiveMetagraph>", mechagraph},
			{"get_next_epoch_start_block", "netuid: NetUid", "Option<u64>", func(s state, a args) (any, error) {
				if next, ok := s.nextEpoch(a.n("netuid")); ok {
					return next, nil
				}
				return nil, nil
			}},
		}},
	}
}

// Call answers state_call: function is the API's name and the function's, such as Core_version. It writes nothing. The error wraps
// ErrNoFunction, or says which argument does not decode.
func (r *Runtime) Call(store Store, name string, arguments []byte) ([]byte, error) {
	s := state{r, over(store)}
	for _, a := range apis() {
		for _, f := range a.functions {
			if a.name+"_"+f.name != name {
				continue
			}
			m, err := r.meta.Method(a.name, f.name)
			if err != nil {
				return nil, err
			}
			in := scale.NewReader(arguments)
			var values scale.Struct
			for _, input := range m.Inputs {
				if input.Name == "tx" || input.Name == "uxt" { // its length is in front of it, and it is read as a whole
					values = append(values, scale.Member{Name: input.Name, Value: scale.AppendBlob(nil, in.Blob())})
					continue
				}
				values = append(values, scale.Member{Name: input.Name, Value: r.meta.Decode(input.Type, in)})
			}
			if err := in.Done(); err != nil {
				return nil, fmt.Errorf("the arguments of %s: %w", name, err)
			}
			v, err := f.run(s, args{values})
			if b, ok := v.(encoded); ok || err != nil {
				return b, err
			}
			return r.meta.Encode(nil, m.Output, v)
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNoFunction)
}

// validateTransaction asks as the pool does: in the block after the given one.
func validateTransaction(s state, a args) (any, error) {
	head := [32]byte(a.b("block_hash"))
	v, err := s.Validate(s.Next(s.Store, head), a.b("tx"))
	var bad *Invalid
	switch {
	case err == nil:
		return scale.Choice{Name: "Ok", Value: fields("priority", v.Priority, "requires", v.Requires, "provides", v.Provides, "longevity", v.Longevity,
			"propagate", true)}, nil
	case !errors.As(err, &bad):
		return nil, err
	case bad.Kind == InvalidUnknown:
		return scale.Choice{Name: "Err", Value: scale.Choice{Name: "Unknown", Value: "NoUnsignedValidator"}}, nil
	case bad.Kind == InvalidCustom:
		return scale.Choice{Name: "Err", Value: scale.Choice{Name: "Invalid", Value: scale.Choice{Name: "Custom", Value: bad.Custom}}}, nil
	}
	return scale.Choice{Name: "Err", Value: scale.Choice{Name: "Invalid", Value: bad.Kind.String()}}, nil
}

// queryInfo says what a transaction costs.
func queryInfo(s state, a args) (any, error) {
	xt := a.b("uxt")
	x, bad := s.parse(xt)
	if bad != nil {
		return nil, bad
	}
	return fields("weight", fields("ref_time", 0, "proof_size", 0), "class", "Normal", "partial_fee", fee(len(xt), 0, pays(x.decoded))), nil
}
