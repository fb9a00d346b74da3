package scheduler

// Resolved is c with the defaults of its class (diffusers v0.40.0, the arguments of __init__) for absent fields, and with
// diffusers' own names for what it takes under another: algorithm_type deis is dpmsolver++, solver_type logrho, bh1 and bh2
// are midpoint. VarianceType stays empty but for DDPM and UnCLIP.
func (c Config) Resolved() Config {
	betaStart, betaEnd, schedule, spacing := 0.0001, 0.02, "linear", "leading"
	switch c.ClassName {
	case UnCLIP:
		schedule = "squaredcos_cap_v2"
	case classLCM:
		betaStart, betaEnd, schedule = 0.00085, 0.012, "scaled_linear"
	case classEuler, classEulerAncestral, classDPMSolver:
		spacing = "linspace"
	}
	absent(&c.NumTrainTimesteps, 1000)
	absent(&c.BetaStart, betaStart)
	absent(&c.BetaEnd, betaEnd)
	absent(&c.BetaSchedule, schedule)
	absent(&c.PredictionType, "epsilon")
	absent(&c.TimestepSpacing, spacing)

	absentFlag(&c.SetAlphaToOne, true)
	absentFlag(&c.ClipSample, c.ClassName != classLCM)
	absent(&c.ClipSampleRange, 1)
	switch c.ClassName {
	case classDDPM:
		absent(&c.VarianceType, "fixed_small")
	case UnCLIP:
		absent(&c.VarianceType, "fixed_small_log")
	}
	absent(&c.DynamicThresholdingRatio, 0.995)
	absent(&c.SampleMaxValue, 1)

	absent(&c.FinalSigmasType, "zero")
	absent(&c.AlgorithmType, "dpmsolver++")
	if c.AlgorithmType == "deis" {
		c.AlgorithmType = "dpmsolver++"
	}
	absent(&c.SolverOrder, 2)
	absent(&c.SolverType, "midpoint")
	if oneOf(c.SolverType, "logrho", "bh1", "bh2") {
		c.SolverType = "midpoint"
	}
	absentFlag(&c.LowerOrderFinal, true)

	absent(&c.OriginalInferenceSteps, 50)
	absent(&c.TimestepScaling, 10)
	return c
}

func absent[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}

func absentFlag(field **bool, standard bool) {
	if *field == nil {
		*field = &standard
	}
}
