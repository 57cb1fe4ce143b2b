//! XEP-0004 Data Forms: reading what was submitted, writing what is asked.

use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// A submitted form.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(String, Vec<String>)>,
}

impl Form {
    /// Reads a form of this type (its FORM_TYPE).
    ///
    /// # Errors
    /// `bad-request` where it is another form, or not submitted.
    pub(crate) fn read(form: &Element, form_type: &str) -> Result<Form, StanzaError> {
        let is_submitted = form.attr("type") == Some("submit");
        let fields = form.children_named("field", ns::DATA_FORMS).map(field).collect();
        let form = Form { fields };
        if !is_submitted || form.value("FORM_TYPE") != Some(form_type) {
            return Err(StanzaError::bad_request());
        }
        Ok(form)
    }

    /// A field's first value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name)?.first().map(String::as_str)
    }

    /// A field's values.
    pub(crate) fn values(&self, name: &str) -> Option<&[String]> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, values)| &**values)
    }

    /// The names of all fields but FORM_TYPE.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| &**name).filter(|name| *name != "FORM_TYPE")
    }
}

/// A form of this type, to be filled in (`form`) or to be read (`result`).
pub(crate) fn form(kind: &'static str, form_type: &str) -> Element {
    let type_field = text_field("FORM_TYPE", "hidden", form_type);
    Element::new("x", ns::DATA_FORMS).with_attr("type", kind).with_child(type_field)
}

/// A field with one value.
pub(crate) fn text_field(name: &'static str, kind: &'static str, value: &str) -> Element {
    empty_field(name, kind).with_child(Element::new("value", ns::DATA_FORMS).with_text(value))
}

/// A field without a value.
pub(crate) fn empty_field(name: &'static str, kind: &'static str) -> Element {
    Element::new("field", ns::DATA_FORMS).with_attr("var", name).with_attr("type", kind)
}

fn field(field: &Element) -> (String, Vec<String>) {
    let values = field.children_named("value", ns::DATA_FORMS);
    let values = values.map(|value| value.text().into_owned()).collect();
    (field.attr("var").unwrap_or_default().to_owned(), values)
}
