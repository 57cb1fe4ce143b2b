// The one visual language, in the order in which its parts build on one another.
import "./emoji.css";
import "./tokens.css";
import "./accents.css";
import "./base.css";
import "./wallpapers.css";
