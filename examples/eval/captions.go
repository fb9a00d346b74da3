package main

import (
	"hash/crc32"
	"math/rand/v2"
	"strings"
)

// heldOut says that a caption was never trained on: one in sixteen, by its CRC-32, as examples/models/train/world.py has it.
func heldOut(caption string) bool { return crc32.ChecksumIEEE([]byte(caption))%16 == 0 }

// caption draws held-out words for the scene; the ground's colour is always among them.
func (s scene) caption(r *rand.Rand) string {
	for {
		if c := s.words(r); heldOut(c) {
			return c
		}
	}
}

// words are one wording of the captions' grammar.
func (s scene) words(r *rand.Rand) string {
	object := spelled(r, s.colour) + " " + pick(r, synonyms[s.shape]...)
	if s.size != "medium" {
		object = pick(r, synonyms[s.size]...) + " " + object
	}
	subject := pick(r, article(object), article(object), "the", "one") + " " + object
	if s.position != "centre" || r.IntN(5) == 0 {
		subject += " " + place(r, s.position)
	}
	ground := spelled(r, s.ground)
	back := pick(r, "", "", "", "plain ", "solid ") + ground + " " + pick(r, "background", "background", "backdrop")
	prefix := pick(r, "", "", "", "a picture of ", "an image of ", "a drawing of ")
	switch r.IntN(8) {
	case 0:
		return prefix + subject + " on " + ground
	case 1:
		return prefix + subject + ", " + back
	case 2:
		return article(back) + " " + back + " with " + subject
	}
	return prefix + subject + " " + pick(r, "on", "on", "over", "with", "against") + " " + article(back) + " " + back
}

// synonyms are the words for shapes and sizes.
var synonyms = map[string][]string{
	"circle": {"circle", "circle", "circle", "disc", "dot", "ball"}, "square": {"square", "square", "box"}, "triangle": {"triangle"},
	"star": {"star"}, "ring": {"ring", "ring", "donut"}, "heart": {"heart"}, "cross": {"cross", "cross", "plus"},
	"diamond": {"diamond", "diamond", "rhombus"}, "small": {"small", "little", "tiny"}, "large": {"large", "big", "huge"},
}

func article(words string) string {
	if strings.ContainsRune("aeiou", rune(words[0])) {
		return "an"
	}
	return "a"
}

func spelled(r *rand.Rand, colour string) string {
	if colour == "gray" {
		return pick(r, "gray", "gray", "grey")
	}
	return colour
}

// place are words for a position.
func place(r *rand.Rand, position string) string {
	middle := pick(r, "centre", "center", "middle")
	switch position {
	case "centre":
		return "in the " + middle
	case "left", "right":
		return pick(r, "on the "+position, "on the "+position+" side", "at the "+position, "to the "+position)
	case "top", "bottom":
		return pick(r, "at the "+position, "at the "+position, "in the "+position+" "+middle, "near the "+position)
	}
	if r.IntN(3) == 0 {
		position = strings.NewReplacer("top", "upper", "bottom", "lower").Replace(position)
	}
	return pick(r, "in the "+position+" corner", "in the "+position+" corner", "in the "+position, "at the "+position)
}
