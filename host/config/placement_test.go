package config_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/vision19/vision/host/config"
)

func TestLoad_decodes_where_and_how_a_plugin_runs(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want func(p *config.Plugin, dir string)
	}{
		"nothing said":  {"", func(*config.Plugin, string) {}},
		"eviction":      {`on_full = "evict"`, func(p *config.Plugin, _ string) { p.OnFull = config.OnFullEvict }},
		"a weight":      {`weight = 0.25`, func(p *config.Plugin, _ string) { p.Weight = 0.25 }},
		"no batches":    {`max_batch = 1`, func(p *config.Plugin, _ string) { p.MaxBatch = 1 }},
		"a batch delay": {`batch_delay = "5ms"`, func(p *config.Plugin, _ string) { p.BatchDelay = 5 * time.Millisecond }},
		"an override":   {`dev_override = "../mine"`, func(p *config.Plugin, dir string) { p.DevOverride = filepath.Join(filepath.Dir(dir), "mine") }},
		"replicas":      {"replicas {\n min = 2\n max = 4\n}", func(p *config.Plugin, _ string) { p.Replicas = config.Replicas{Min: 2, Max: 4} }},
		"on demand":     {"replicas {\n min = 0\n}", func(p *config.Plugin, _ string) { p.Replicas = config.Replicas{Min: 0, Max: 1} }},
		"min alone":     {"replicas {\n min = 3\n}", func(p *config.Plugin, _ string) { p.Replicas = config.Replicas{Min: 3, Max: 3} }},
		"max alone":     {"replicas {\n max = 3\n}", func(p *config.Plugin, _ string) { p.Replicas = config.Replicas{Min: 1, Max: 3} }},
		"open files":    {"sandbox {\n files = \"open\"\n}", func(p *config.Plugin, _ string) { p.Sandbox.Files = false }},
		"open network":  {"sandbox {\n network = \"open\"\n files = \"confined\"\n}", func(p *config.Plugin, _ string) { p.Sandbox.Network = false }},
		"more to read": {"sandbox {\n read = [\"data\", \"/srv\"]\n}", func(p *config.Plugin, dir string) {
			p.Sandbox.Read = []string{filepath.Join(dir, "data"), "/srv"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "plugin \"a\" {\n binary = \"a\"\n "+c.body+"\n}\n")
			got, diags := config.Load(path)
			if len(diags) > 0 {
				t.Fatal(text(diags))
			}
			want := config.Plugin{OnFull: config.OnFullError, Replicas: config.Replicas{Min: 1, Max: 1}, Sandbox: config.Sandbox{Files: true, Network: true}}
			c.want(&want, filepath.Dir(path))
			p := got.Plugins[0]
			have := config.Plugin{
				OnFull: p.OnFull, Weight: p.Weight, MaxBatch: p.MaxBatch, BatchDelay: p.BatchDelay, DevOverride: p.DevOverride, Replicas: p.Replicas, Sandbox: p.Sandbox,
			}
			if !reflect.DeepEqual(have, want) {
				t.Errorf("%+v, want %+v", have, want)
			}
		})
	}
}

func TestLoad_finds_what_is_wrong_with_a_placement(t *testing.T) {
	plugin := func(body string) string { return "plugin \"a\" {\n  binary = \"a\"\n  " + body + "\n}\n" }
	for name, c := range map[string]struct{ source, want string }{
		"on_full":             {plugin(`on_full = ‹"wait"`), `on_full is "wait"`},
		"weight":              {plugin(`weight = ‹1.5`), "from 0 to 1"},
		"max_batch":           {plugin(`max_batch = ‹65`), "from 1 to 64"},
		"batch_delay":         {plugin(`batch_delay = ‹"2s"`), "at most 1s"},
		"batch_delay's form":  {plugin(`batch_delay = ‹"-1"`), "a duration such as"},
		"replicas turned":     {plugin("replicas {\n    min = 3\n    ‹max = 2\n  }"), "fewer than min"},
		"too many replicas":   {plugin("replicas {\n    max = ‹17\n  }"), "from 1 to 16"},
		"two replicas blocks": {plugin("replicas {}\n  ‹replicas {}"), "one replicas block"},
		"unknown in replicas": {plugin("replicas {\n    ‹maximum = 1\n  }"), "maximum"},
		"files":               {plugin("sandbox {\n    files = ‹\"none\"\n  }"), `"confined" or "open"`},
		"network":             {plugin("sandbox {\n    network = ‹\"confined\"\n  }"), `"none" or "open"`},
		"read":                {plugin("sandbox {\n    read = ‹[1, {}]\n  }"), "string"},
		"uuid and index":      {"device \"g\" {\n  kind = \"cuda\"\n  uuid = \"GPU-1\"\n  ‹index = 0\n  memory = \"1GiB\"\n}\n", "where no uuid does"},
		"index of a CPU":      {"device \"c\" {\n  kind = \"cpu\"\n  ‹index = 0\n  memory = \"1GiB\"\n}\n", "index names a GPU"},
		"index":               {"device \"g\" {\n  kind = \"cuda\"\n  index = ‹-1\n  memory = \"1GiB\"\n}\n", "from 0 to"},
	} {
		t.Run(name, func(t *testing.T) { checkFault(t, c.source, c.want) })
	}
}
