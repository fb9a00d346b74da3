package main
import ("testing";"os";"fmt";"strings";"strconv";"context";"time";"github.com/vision19/vision/host/api")
func cpu(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[strings.LastIndex(string(b), ")")+2:]))
	u, _ := strconv.Atoi(f[11]); s, _ := strconv.Atoi(f[12])
	return float64(u+s)/100
}
func TestZZ(t *testing.T) {
	os.Chdir("../..")
	os.MkdirAll(work, 0o755)
	ctx := context.Background()
	for _, threads := range []int{1,2} {
	block := func(name, more string) string {
		return fmt.Sprintf("plugin %q {\n  binary = \"../plugins/clip-embed\"\n%s  config {\n    model = \"../../examples/models/tiny-clip\"\n  threads = %d\n  }\n}\n", name, more, threads)
	}
	hcl := ""
	for _, n := range []int{1,4,8,16} { hcl += block(fmt.Sprint("b", n), fmt.Sprintf("  max_batch = %d\n", n)) }
	h, err := start(ctx, hcl)
	if err != nil { t.Fatal(err) }
	data, _ := gray.PNG()
	job := api.Job{Images: map[string][][]byte{"image": {data}}}
	pids := map[string]int{}
	for _, p := range h.Plugins() { pids[p.Name] = p.PID }
	type s struct { wall time.Duration; host, plug float64 }
	sum := map[string]*s{}
	for round := range 20 {
		for _, n := range []int{1,4,8,16} {
			name := fmt.Sprint("b", n)
			job.Target = name
			h0, p0 := cpu(os.Getpid()), cpu(pids[name])
			took, err := crowd(ctx, h, job)
			if err != nil { t.Fatal(err) }
			if round < 2 { continue }
			if sum[name] == nil { sum[name] = &s{} }
			sum[name].wall += took; sum[name].host += cpu(os.Getpid())-h0; sum[name].plug += cpu(pids[name])-p0
		}
	}
	for _, n := range []int{1,4,8,16} { x := sum[fmt.Sprint("b", n)]; k := 18.0*256
		fmt.Printf("threads %d batch %d: %.0f/s, host %.0f us, plugin %.0f us a request\n", threads, n, k/x.wall.Seconds(), x.host/k*1e6, x.plug/k*1e6) }
	h.Close(ctx)
	}
}
