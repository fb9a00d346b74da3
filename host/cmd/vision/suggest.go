package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/plan"
)

// loadCandidates reads files that may declare more than fits: that is what a choice is asked for. As if they were loaded on demand, the
// plugins need room one at a time.
func loadCandidates(files []string) (*config.Config, hcl.Diagnostics) {
	c, diags := config.Load(files...)
	for i := range c.Plugins {
		c.Plugins[i].Replicas.Min, c.Plugins[i].KeepAlive = 0, config.DefaultKeepAlive
	}
	return c, diags
}

func (a *app) printSuggestion(s plan.Suggestion) error {
	if a.json {
		return printJSON(os.Stdout, s)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLUGIN\tENDPOINT\tRUN ON\tMEMORY\tWEIGHT\tSECONDS\tRANK\tREASON")
	for _, c := range s.Choices {
		device := c.Device
		if !c.Chosen {
			device = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3g\t%.3g\t%.3g\t%s\n",
			c.Name, c.Endpoint, device, config.FormatSize(c.Bytes), c.Weight, c.Seconds, c.Rank, c.Reason)
	}
	return printUsage(w, s.Devices)
}
