import { expect, test } from "vitest";
import { COUNTRIES, countryOf, international, regionOf } from "./countries";

test.each([
  ["0151 2345678", "DE", "+491512345678"],
  ["(555) 010-0123", "US", "+15550100123"],
  ["+44 20 7946 0958", "DE", "+442079460958"],
  ["0044 20 7946 0958", "DE", "+442079460958"],
  ["06 1234 5678", "IT", "+390612345678"],
])("%s in %s is %s", (number, region, expected) => expect(international(number, region)).toBe(expected));

test.each([[["de"], "DE"], [["en-GB", "de"], "GB"], [["hi"], "IN"], [["ar"], "EG"], [["xx-nonsense"], "US"], [[], "US"]])("%s is of %s", (languages, region) => {
  expect(regionOf(languages)).toBe(region);
});

test("the longest code that fits tells the country", () => {
  expect(countryOf("+35312")?.region).toBe("IE");
  expect(countryOf("+1555")?.region).toBe("US");
  expect(countryOf("555")).toBeNull();
});

test("each region stands once", () => {
  expect(new Set(COUNTRIES.map(({ region }) => region)).size).toBe(COUNTRIES.length);
});
