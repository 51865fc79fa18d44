//! `say!("{n} bytes at {addr:p}")`: written as for `format!`, and answered in the reader's language.
//!
//! `format!` puts the values into the sentence before anybody can look it up. This passes both apart: the
//! sentence as it is written, which is the key of its translation, and each value, spelled.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// A sentence with values, as a `String` in the reader's language. `{}` takes the arguments in turn, `{name}`
/// what is called so where it is written; what stands behind a colon spells it, as for `format!`.
#[proc_macro]
pub fn say(input: TokenStream) -> TokenStream {
    filled(input, "::lablib::print::filled")
}

/// The same, of the tool: it does not know lablib.
#[proc_macro]
pub fn tell(input: TokenStream) -> TokenStream {
    filled(input, "::screen::words::filled")
}

/// A call of this function, with the sentence and its values.
fn filled(input: TokenStream, function: &str) -> TokenStream {
    let mut tokens = input.into_iter();
    let Some(TokenTree::Literal(sentence)) = tokens.next() else {
        return failure("say! takes a sentence, as a literal");
    };
    let mut arguments = arguments(tokens.collect()).into_iter();
    let mut values = TokenStream::new();
    for place in places(&sentence.to_string()) {
        let mut spelled = Literal::string(&format!("{{{place}}}"));
        // The names in it are those of the place where the sentence stands.
        spelled.set_span(sentence.span());
        let mut format = TokenStream::from(TokenTree::from(spelled));
        if place.is_empty() || place.starts_with(':') {
            let Some(argument) = arguments.next() else {
                return failure("say!: fewer arguments than places");
            };
            format.extend([comma(), Group::new(Delimiter::Parenthesis, argument).into()]);
        }
        let format = Group::new(Delimiter::Parenthesis, format);
        let value: [TokenTree; 5] = [
            Literal::string(&place).into(),
            comma(),
            Ident::new("format", Span::call_site()).into(),
            Punct::new('!', Spacing::Alone).into(),
            format.into(),
        ];
        let pair = Group::new(Delimiter::Parenthesis, TokenStream::from_iter(value));
        values.extend([TokenTree::from(pair), comma()]);
    }
    if arguments.next().is_some() {
        return failure("say!: more arguments than places");
    }
    let call: TokenStream = function.parse().expect("a path");
    let values = Group::new(Delimiter::Bracket, values);
    let list: [TokenTree; 4] =
        [sentence.into(), comma(), Punct::new('&', Spacing::Alone).into(), values.into()];
    let list = Group::new(Delimiter::Parenthesis, TokenStream::from_iter(list));
    TokenStream::from_iter(call.into_iter().chain([TokenTree::from(list)]))
}

/// What stands between braces in a literal, as it is spelled in the source.
fn places(literal: &str) -> Vec<String> {
    let literal = literal.replace("{{", "").replace("}}", "");
    let places = literal.split('{').skip(1);
    places.filter_map(|place| Some(place.split_once('}')?.0.to_string())).collect()
}

fn arguments(tokens: Vec<TokenTree>) -> Vec<TokenStream> {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    let parts = tokens.split(is_comma).filter(|part| !part.is_empty());
    parts.map(|part| TokenStream::from_iter(part.iter().cloned())).collect()
}

fn comma() -> TokenTree {
    Punct::new(',', Spacing::Alone).into()
}

fn failure(why: &str) -> TokenStream {
    format!("compile_error!({why:?})").parse().expect("an error")
}
