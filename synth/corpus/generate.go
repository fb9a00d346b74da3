//go:build ignore

// Command generate writes captions.txt.gz: the corpus that comes with synth. `go generate ./synth` runs it. Half of the captions are in the words of
// the world that the bundled models have learned, the rest are of general scenes. All are our own.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
)

var rng = rand.New(rand.NewPCG(19, 1))

// lists are those of words.txt, each without what it says twice.
var lists = map[string][]string{}

func pick(list string) string {
	words, ok := lists[list]
	if !ok {
		log.Fatalf("generate: no list %q", list)
	}
	return words[rng.IntN(len(words))]
}

func oneOf(words ...string) string { return words[rng.IntN(len(words))] }

// a is the words with their article.
func a(words string) string {
	if strings.ContainsRune("aeiouAEIO", rune(words[0])) {
		return "an " + words
	}
	return "a " + words
}

// many is a noun's plural.
func many(noun string) string {
	switch irregular := map[string]string{
		"mouse": "mice", "goose": "geese", "foot": "feet", "child": "children", "woman": "women", "man": "men", "wolf": "wolves", "calf": "calves", "loaf": "loaves",
		"knife": "knives", "shelf": "shelves", "sheep": "sheep", "deer": "deer", "moose": "moose", "bison": "bison", "salmon": "salmon", "trout": "trout", "squid": "squid",
		"fisherman": "fishermen", "postman": "postmen", "watchman": "watchmen", "snowman": "snowmen", "scissors": "scissors", "goggles": "goggles", "binoculars": "binoculars",
		"shrimp": "shrimp", "armour": "suits of armour", "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "buffalo": "buffaloes",
	}[noun]; {
	case irregular != "":
		return irregular
	case strings.HasSuffix(noun, "s"), strings.HasSuffix(noun, "x"), strings.HasSuffix(noun, "ch"), strings.HasSuffix(noun, "sh"):
		return noun + "es"
	case strings.HasSuffix(noun, "y") && !strings.ContainsRune("aeiou", rune(noun[len(noun)-2])):
		return noun[:len(noun)-1] + "ies"
	}
	return noun + "s"
}

// doing is a verb's -ing form.
func doing(verb string) string {
	last, before := verb[len(verb)-1], byte('a')
	if len(verb) > 2 {
		before = verb[len(verb)-2]
	}
	vowel := func(b byte) bool { return strings.IndexByte("aeiou", b) >= 0 }
	switch {
	case verb == "lie":
		return "lying"
	case last == 'e' && before != 'e':
		return verb[:len(verb)-1] + "ing"
	case len(verb) <= 5 && !vowel(last) && vowel(before) && !vowel(verb[len(verb)-3]) && strings.IndexByte("wyxr", last) < 0 && !strings.HasSuffix(verb, "en"):
		return verb + string(last) + "ing"
	}
	return verb + "ing"
}

func some() string {
	return oneOf("two", "three", "four", "five", "seven", "a dozen", "many", "several")
}

// noun is something with or without a property.
func noun(list string) string {
	switch rng.IntN(5) {
	case 0:
		return pick(list)
	case 1:
		return pick("adjective") + " " + pick("adjective") + " " + pick(list)
	}
	return pick("adjective") + " " + pick(list)
}

func subject() string { return oneOf("animal", "person", "thing", "food", "plant", "animal", "person") }

func living() string { return oneOf("animal", "person") }

func where() string {
	p := noun("place")
	switch rng.IntN(4) {
	case 0:
		return oneOf("in", "near", "outside", "beside") + " " + a(p)
	case 1:
		return "in the " + pick("place")
	case 2:
		return pick("near") + " " + a(noun("thing"))
	}
	return "in " + a(p)
}

func when() string {
	return oneOf("at dawn", "at dusk", "at night", "at noon", "in the "+pick("weather"), "in the "+pick("weather"), "on a "+pick("adjective")+" "+oneOf("morning", "afternoon", "evening", "day"), "by "+pick("light"))
}

// general is a caption of a general scene.
func general() string {
	s := subject()
	switch rng.IntN(25) {
	case 0:
		return a(noun(s)) + " " + where()
	case 1:
		return a(noun(living())) + " " + doing(pick("verb")) + " " + where()
	case 2:
		return a(noun(living())) + " " + doing(pick("verb")) + " " + pick("adverb") + " " + where() + " " + when()
	case 3:
		return some() + " " + pick("adjective") + " " + many(pick(s)) + " " + where()
	case 4:
		return a(pick("style")) + " of " + a(noun(s)) + " " + where()
	case 5:
		return a(noun("place")) + " " + when()
	case 6:
		return a(noun(s)) + " and " + a(noun(subject())) + " on " + a(noun("thing"))
	case 7:
		return a(pick("group")) + " of " + many(pick(s)) + " " + where() + ", " + pick("style")
	case 8:
		return a(noun(s)) + " " + pick("near") + " " + a(noun("place")) + ", " + pick("light")
	case 9:
		return many(pick(s)) + " and " + many(pick(subject())) + " " + where() + " " + when()
	case 10:
		return a(noun("person")) + " " + doing(pick("verb")) + " with " + a(noun(oneOf("animal", "thing"))) + " " + when()
	case 11:
		return a(pick("style")) + " of " + some() + " " + many(pick(s)) + " " + doing(pick("verb"))
	case 12:
		return "the " + pick("adjective") + " " + pick("place") + " of " + a(noun("person")) + ", " + pick("adjective") + " and " + pick("adjective")
	case 13:
		return a(noun("thing")) + " with " + pick("pattern") + " " + where()
	case 14:
		return pick("name") + " and " + pick("name") + " " + doing(pick("verb")) + " " + where()
	case 15:
		return a(pick("style")) + " of " + pick("name") + " with " + a(pick("made")+" "+pick(oneOf("tool", "clothing", "thing")))
	case 16:
		return a(noun("place")) + " in " + pick("city") + " " + when()
	case 17:
		return a(pick("nationality")+" "+pick("person")) + " in " + pick("city") + ", " + doing(pick("verb"))
	case 18:
		return a(pick("made")+" "+pick(oneOf("thing", "food", "tool"))) + " on " + a(pick("made")+" "+pick("thing"))
	case 19:
		return a(pick("adjective")+" "+pick("mineral")) + " " + pick("near") + " " + a(pick("tool")) + ", " + pick("light")
	case 20:
		return a(pick("style")) + " about " + pick("idea") + " and " + pick("idea") + ", " + pick("city")
	case 21:
		return a(noun("dish")) + " and " + a(pick("dish")) + " on " + a(pick("made")+" "+pick("thing"))
	case 22:
		return a(noun("breed")) + " " + doing(pick("verb")) + " " + where() + " " + when()
	case 23:
		return a(noun("building")) + " " + oneOf("in", "near", "outside") + " " + pick("city") + " " + when()
	}
	return a(pick("person")) + " in " + a(pick("adjective")+" "+pick("clothing")) + " and " + a(pick("made")+" "+pick("clothing")) + " " + when()
}

// The words of the world that the bundled models have learned.
var (
	colours   = []string{"red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black", "gray", "grey"}
	shapes    = []string{"circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond", "disc", "dot", "ball", "box", "donut", "plus", "rhombus"}
	sizes     = []string{"small", "little", "tiny", "medium", "large", "big", "huge"}
	positions = []string{"at the top left", "at the top", "at the top right", "on the left", "in the centre", "on the right", "at the bottom left", "at the bottom", "at the bottom right", "in the middle"}
)

func object() string {
	o := oneOf(colours...) + " " + oneOf(shapes...)
	if rng.IntN(2) == 0 {
		o = oneOf(sizes...) + " " + o
	}
	return o
}

// learned is a caption of that world.
func learned() string {
	ground := oneOf(colours...) + " " + oneOf("background", "background", "backdrop", "ground")
	switch rng.IntN(7) {
	case 0:
		return a(object()) + " " + oneOf("above", "below", "to the left of", "to the right of") + " " + a(object()) + " on " + a(ground)
	case 1:
		return oneOf("a picture of ", "an image of ", "a drawing of ") + a(object()) + " on " + oneOf(colours...)
	case 2:
		return a(object()) + ", " + oneOf("plain", "solid") + " " + ground
	case 3:
		return a(object()) + " on a gradient from " + oneOf(colours...) + " to " + oneOf(colours...)
	case 4:
		return a(object()) + " on " + oneOf(colours...) + " and " + oneOf(colours...) + " stripes"
	}
	return a(object()) + " " + oneOf(positions...) + " " + oneOf("on", "over", "with", "against") + " " + a(ground)
}

func main() {
	data, err := os.ReadFile("corpus/words.txt")
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, words, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		seen := map[string]bool{}
		for _, w := range strings.Fields(words) {
			if !seen[w] {
				seen[w] = true
				lists[name] = append(lists[name], w)
			}
		}
	}
	seen, captions := map[string]bool{}, []string{}
	draw := func(n int, make func() string) {
		for n > 0 {
			if c := make(); !seen[c] && len(c) <= 150 {
				seen[c] = true
				captions = append(captions, c)
				n--
			}
		}
	}
	draw(7000, general)
	draw(2200, learned)
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a constant
	fmt.Fprintln(z, strings.Join(captions, "\n"))
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("corpus/captions.txt.gz", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	words := map[string]bool{}
	for _, c := range captions {
		for _, w := range strings.Fields(c) {
			words[strings.Trim(w, ",")] = true
		}
	}
	fmt.Printf("generate: %d captions, %d words, %d bytes\n", len(captions), len(words), out.Len())
}
