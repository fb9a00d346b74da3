package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
)

// changed is where spec 343, which was recorded, differs from spec 425, whose rules these are, with the reason.
var changed = map[string]string{
	"storage LastEpochBlock": "dynamic tempo, spec 407", "storage PendingEpochAt": "dynamic tempo, spec 407", "storage SubnetEpochIndex": "dynamic tempo, spec 407",
	"storage ActivityCutoffFactorMilli": "replaces ActivityCutoff", "storage MinNonImmuneUids": "added after 343",
	"event EpochSkipped":                 "dynamic tempo",
	"event BatchWeightItemFailed":        "names the subnet since",
	"error InvalidRevealRound":           "added after 343",
	"extension SudoTransactionExtension": "added after 343",
	"extension CheckShieldedTxValidity":  "added after 343",
	"method get_subnet_hyperparams_v3":   "added after 343",
	"method get_next_epoch_start_block":  "dynamic tempo",
	"method get_metagraph":               "activity_cutoff is 64 bits since dynamic tempo",
	"method get_selective_metagraph":     "activity_cutoff is 64 bits since dynamic tempo",
	"method get_selective_mechagraph":    "activity_cutoff is 64 bits since dynamic tempo",
}

// shape is how a type is encoded, without names of types: wrappers are what they wrap.
func shape(m *scale.Metadata, typ, deep int) string {
	if typ < 0 {
		return "-"
	}
	d := m.Types[typ].Def
	fields := func(all []scale.Field) string {
		var s []string
		for _, f := range all {
			s = append(s, f.Name+":"+shape(m, f.Type, deep+1))
		}
		return strings.Join(s, ",")
	}
	switch d.Kind {
	case scale.Composite:
		if len(d.Fields) == 1 {
			return shape(m, d.Fields[0].Type, deep)
		}
		return "{" + fields(d.Fields) + "}"
	case scale.Variants:
		path := strings.Join(m.Types[typ].Path, "::")
		if path != "Option" && path != "Result" {
			return path
		}
		var s []string
		for _, v := range d.Variants {
			s = append(s, fmt.Sprintf("%d%s(%s)", v.Index, v.Name, fields(v.Fields)))
		}
		return "enum" + strings.Join(s, "|")
	case scale.Sequence:
		return "Vec<" + shape(m, d.Elem, deep+1) + ">"
	case scale.Array:
		return fmt.Sprintf("[%s;%d]", shape(m, d.Elem, deep+1), d.Len)
	case scale.Tuple:
		var s []string
		for _, i := range d.Items {
			s = append(s, shape(m, i, deep+1))
		}
		return "(" + strings.Join(s, ",") + ")"
	case scale.Compact:
		return "C" + shape(m, d.Elem, deep)
	}
	return primitives[d.Prim]
}

func TestMetadata_has_the_shapes_of_the_recorded_one(t *testing.T) {
	b, err := os.ReadFile("../../../../shared/data/chain/sdk-finney-v15.scale")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no folder shared/data/chain beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	real, err := scale.ParseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Spec, tlock.Beacon{})
	ours := r.meta
	compare := func(what, mine, theirs string) {
		t.Helper()
		_, known := changed[what]
		if mine == theirs && known {
			t.Errorf("%s is as it was: it is no change", what)
		}
		if mine != theirs && !known {
			t.Errorf("%s:\n ours  %s\n there %s", what, mine, theirs)
		}
	}
	of := func(m *scale.Metadata, typ int, name string, index bool) string {
		if typ < 0 {
			return "none"
		}
		for _, v := range m.Types[typ].Def.Variants {
			if v.Name == name {
				s := ""
				for _, f := range v.Fields {
					s += f.Name + ":" + shape(m, f.Type, 0) + " "
				}
				if index {
					s += fmt.Sprint(v.Index)
				}
				return s
			}
		}
		return "none"
	}
	for _, p := range ours.Pallets {
		q, err := real.Pallet(p.Name)
		if err != nil || q.Index != p.Index {
			t.Errorf("pallet %s: %v", p.Name, err)
			continue
		}
		for kind, types := range map[string][2]int{"call": {p.Calls, q.Calls}, "event": {p.Events, q.Events}, "error": {p.Errors, q.Errors}} {
			if types[0] < 0 {
				continue
			}
			for _, v := range ours.Types[types[0]].Def.Variants {
				// Events and errors of the pallet have moved since spec 343; calls never do.
				index := kind == "call" || p.Name != "SubtensorModule"
				compare(kind+" "+v.Name, of(ours, types[0], v.Name, index), of(real, types[1], v.Name, index))
			}
		}
		if p.Storage == nil {
			continue
		}
		for _, e := range p.Storage.Entries {
			_, f, err := real.Entry(p.Name, e.Name)
			theirs := fmt.Sprint(err)
			if err == nil {
				theirs = fmt.Sprint(f.Optional, f.Hashers, shape(real, f.Key, 0), " ", shape(real, f.Value, 0))
			}
			compare("storage "+e.Name, fmt.Sprint(e.Optional, e.Hashers, shape(ours, e.Key, 0), " ", shape(ours, e.Value, 0)), theirs)
		}
	}
	theirs := map[string]string{}
	for _, x := range real.Extrinsic.Extensions {
		theirs[x.Name] = shape(real, x.Extra, 0) + "|" + shape(real, x.Additional, 0)
	}
	for _, x := range ours.Extrinsic.Extensions {
		compare("extension "+x.Name, shape(ours, x.Extra, 0)+"|"+shape(ours, x.Additional, 0), theirs[x.Name])
	}
	for _, a := range ours.APIs {
		for _, f := range a.Methods {
			signature := func(m *scale.Metadata) string {
				f, err := m.Method(a.Name, f.Name)
				if err != nil {
					return err.Error()
				}
				s := ""
				for _, in := range f.Inputs {
					s += in.Name + ":" + shape(m, in.Type, 0) + " "
				}
				return s + shape(m, f.Output, 0)
			}
			compare("method "+f.Name, signature(ours), signature(real))
		}
	}
}
