package host_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/vision19/vision/"

// table is who may import what of ours, the most specific prefix first; "" allows nothing. Imports run strictly downward.
var table = []struct{ pkg, may string }{
	{"host/cmd/vision", "host host/* reward reward/* synth chain chain/* sdk sdk/*"},
	{"examples", "host host/* reward reward/* synth chain chain/* sdk sdk/* examples/*"},
	{"host/internal/testplugin", "sdk sdk/schema sdk/wire"},
	{"host/internal", ""},
	{"host/demo", "host host/* reward reward/* synth chain chain/* sdk sdk/*"},
	{"host/arena", "host host/* reward reward/* synth chain chain/* sdk sdk/*"},
	{"host/retrain", "reward reward/* sdk sdk/schema"},
	{"host/miner", "host/sched host/store host/signing host/telemetry host/config reward synth chain sdk sdk/schema"},
	{"host/validator", "host/retrain host/sched host/store host/signing host/telemetry host/config reward synth chain sdk sdk/schema sdk/imaging"},
	{"host/api", "host/sched host/store host/signing host/telemetry host/config reward synth chain sdk sdk/schema"},
	{"host/instance", "host/launch host/catalog host/device host/config host/telemetry sdk sdk/wire"},
	{"host/sched", "host/launch host/catalog host/device host/config host/telemetry sdk sdk/wire"},
	{"host/plan", "host/launch host/catalog host/device host/config host/telemetry sdk sdk/wire"},
	{"host/telemetry", ""},
	{"host/", "host/config host/catalog host/launch host/device host/store host/signing host/telemetry host/web sdk sdk/schema sdk/wire"},
	{"host", "host/* reward synth chain chain/* sdk sdk/schema sdk/wire sdk/imaging"},
	{"reward", "reward reward/* sdk sdk/schema sdk/imaging sdk/imaging/*"},
	{"synth", "sdk sdk/schema sdk/imaging"},
	{"chain/devnet/yuma", ""},
	{"chain/devnet", "chain chain/*"},
	{"chain", "chain/*"}, // nothing of ours outside its own folder
	{"plugins", "sdk sdk/*"},
	{"sdk/diffusion", "sdk sdk/schema sdk/onnx sdk/imaging sdk/imaging/* sdk/diffusion/*"},
	{"sdk/sdktest", "sdk sdk/schema sdk/wire sdk/imaging sdk/internal/*"},
	{"sdk/wire", "sdk sdk/schema sdk/internal/*"},
	{"sdk/imaging", "sdk/schema sdk/internal/* sdk/imaging"},
	{"sdk/schema", ""},
	{"sdk/internal", "sdk/schema sdk/internal/*"},
	{"sdk", "sdk/schema sdk/internal/*"},
}

func allowed(pkg, imported string) bool {
	for _, row := range table {
		if pkg != row.pkg && !strings.HasPrefix(pkg, strings.TrimSuffix(row.pkg, "/")+"/") {
			continue
		}
		for _, may := range strings.Fields(row.may) {
			prefix, all := strings.CutSuffix(may, "*")
			if imported == may || all && strings.HasPrefix(imported, prefix) {
				return true
			}
		}
		return false
	}
	return false
}

// TestImports_run_downward reads every package's imports, not those of its tests, and holds the table above.
func TestImports_run_downward(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,CgoFiles", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder, seen := json.NewDecoder(strings.NewReader(string(out))), 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkg, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen++
		for _, i := range p.Imports {
			if imported, ours := strings.CutPrefix(i, module); ours && !allowed(pkg, imported) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d packages were read", seen)
	}
}

func TestHost_needs_no_cgo(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"host/cmd/vision").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.Contains(pkg, "onnxruntime_go") || strings.TrimSpace(pkg) == module+"sdk/onnx" {
			t.Errorf("the host imports %s", strings.TrimSpace(pkg))
		}
	}
}
