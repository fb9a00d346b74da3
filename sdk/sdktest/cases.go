package sdktest

import "slices"

// Cases lists the suite in the order in which it runs. Cases that share a loaded process stand together, and those that are spoken to by hand.
func Cases() []Case {
	return slices.Concat(lifeCases, answerCases, refusalCases, cancelCases, concurrencyCases, batchCases, eventCases, endCases, programCases)
}

var lifeCases = []Case{
	{"describes_itself_at_once", "Describe is answered before Configure, without a model, within a second.", describesAtOnce},
	{"its_description_is_sound", "The description passes its own check, and tells a person what everything in it is.", descriptionIsSound},
	{"its_description_stays_the_same", "Describe answers the same twice, in another process, and what Configure answered after Configure and after Load.", descriptionStays},
	{"is_configured_once", "A second Configure is refused, and the first one holds.", configuredOnce},
	{"configure_names_what_is_wrong", "A path that is not there is accepted or refused by its name; other values that the host would never send end no process.", configureNames},
	{"refuses_calls_out_of_order", "Load before Configure and Infer before Load are refused, and harm nothing.", refusesOutOfOrder},
	{"health_tells_its_state", "Health says created, configured and ready when that is so.", healthTellsState},
	{"loads_and_says_how_far_it_is", "Load reports fractions that rise from 0 to 1, and ends.", loads},
	{"a_cancelled_load_ends", "A Load whose caller has gone ends soon, and the plugin can then be shut down.", cancelledLoadEnds},
	{"is_loaded_once", "A second Load is refused, and harms nothing.", loadedOnce},
}

var answerCases = []Case{
	{"the_first_answer_is_as_fast_as_the_others", "Load warms the model up.", firstIsFast},
	{"answers_every_sampled_request", "Every request that is drawn from the declared domain gets an answer as declared.", answersSampled},
	{"answers_at_the_edges_of_its_ranges", "Every value that the schema allows is answered, or refused by name as wrong input.", answersEdges},
	{"takes_every_picture_that_it_declares", "Pictures of any size within the bounds, gray, transparent or JPEG, are answered, or refused by name as wrong input.", takesPictures},
	{"its_largest_answer_is_within_its_bound", "The largest picture has no more bytes than declared.", largestAnswer},
	{"the_same_seed_gives_the_same_answer", "A deterministic plugin answers the same request with the same bytes, whatever it did in between.", sameSeed},
	{"another_process_gives_the_same_answer", "A deterministic plugin answers the same bytes after a restart.", sameInAnotherProcess},
	{"another_seed_gives_another_answer", "A random parameter matters.", otherSeed},
}

var refusalCases = []Case{
	{"what_the_schema_excludes_is_refused", "The description refuses each value beyond its ranges by name.", schemaRefuses},
	{"survives_what_the_schema_excludes", "Values that the host would never send get an error or a valid answer, and harm nothing.", survivesExcluded},
	{"survives_missing_and_unknown_inputs", "A request without its inputs, or with others, gets an error or a valid answer, and harms nothing.", survivesMissing},
	{"survives_inputs_beyond_their_bounds", "Texts and pictures beyond the declared size get an error or a valid answer, and harm nothing.", survivesOversized},
	{"refuses_pictures_that_are_none", "Broken, empty and lying image files are wrong input, named, if they are looked at at all.", refusesBrokenPictures},
}

var cancelCases = []Case{
	{"a_cancelled_request_ends_within_a_step", "The work ends with its context.", cancelEndsWork},
	{"a_deadline_ends_the_work", "The work ends with its deadline.", deadlineEndsWork},
	{"a_waiting_request_can_be_cancelled", "A request that waits for another one to end is gone as soon as it is cancelled.", cancelWaiting},
	{"cancelling_one_request_leaves_the_others", "Of two requests the one that is not cancelled is answered.", cancelLeavesOthers},
	{"is_well_while_it_works", "Health and Describe are answered within a second while a request runs; Health names it.", wellWhileWorking},
}

var concurrencyCases = []Case{
	{"answers_as_many_at_once_as_it_declares", "MaxConcurrency requests at once are all answered, each with its own answer.", answersAtOnce},
	{"answers_more_than_it_declares_in_turn", "Requests beyond MaxConcurrency wait, and are answered.", answersInTurn},
	{"does_not_grow", "Memory stays what it is after many requests.", doesNotGrow},
}

var batchCases = []Case{
	{"answers_a_batch_as_it_answers_one_by_one", "Each request of a batch gets the answer that it would get alone.", batchEqualsSingles},
	{"one_bad_request_does_not_fail_its_batch", "Of a batch only the wrong request is refused.", badInBatch},
	{"cancelling_one_of_a_batch_leaves_the_others", "Of a batch the requests that are not cancelled are answered.", cancelInBatch},
}

var eventCases = []Case{
	{"its_events_come_in_order", "A request is answered by accepted, steps and previews, one result with its bytes, and one end.", eventsInOrder},
	{"its_steps_rise_to_their_total", "Progress rises, and ends at its total.", stepsRise},
	{"sends_previews_only_when_asked", "Previews are pictures, and come to whoever asked for them.", previewsWhenAsked},
	{"tells_nothing_where_nobody_watches", "A quiet request is answered by its result alone.", quietIsQuiet},
	{"cancelling_nothing_does_nothing", "A cancel of an unknown request, or of one that is over, is ignored.", cancelNothing},
	{"refuses_an_id_twice", "An id that is in use, or empty, is refused.", refusesIDTwice},
	{"ignores_what_it_does_not_know", "Fields and commands of a newer protocol are ignored.", ignoresUnknown},
	{"survives_broken_messages", "Values without a name or a kind, and commands without content, harm nothing.", survivesBrokenMessages},
	{"survives_an_oversized_message", "A message above the protocol's limit ends at most its stream.", survivesOversizedMessage},
	{"a_lost_host_ends_its_requests", "What the broken stream of a host had asked for is worked on no more.", lostHost},
}

var endCases = []Case{
	{"drains", "Drain returns when all that was admitted is answered, and from then on new work is refused as busy.", drains},
	{"shutdown_ends_what_runs", "Shutdown cancels what runs and returns, also a second time.", shutdownEnds},
	{"shuts_down_before_it_was_configured", "Shutdown is answered in every state.", shutsDownUnconfigured},
	{"exits_after_shutdown", "The process exits by itself, with status 0, within 2 s.", exits},
}

var programCases = []Case{
	{"says_what_it_is_when_started_by_hand", "Without a host the program says that it is a plugin, and ends with an error.", startedByHand},
	{"speaks_only_to_its_host", "Who does not hold the key of the certificate that the host gave is not answered.", onlyToItsHost},
	{"works_in_any_folder", "Nothing is read relative to the working folder, whatever its name.", worksInAnyFolder},
	{"ends_with_its_host", "A plugin whose host has died is gone within 3 s.", endsWithHost},
}
