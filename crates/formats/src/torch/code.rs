//! The order in which a TorchScript module applies its layers.
//!
//! Layers of an `nn.Sequential` have numbers and run in their order. Others have names, and `forward` may run them in
//! any order, with activations that are functions and leave no trace among the modules. So the code is read, as far as
//! it is a chain: every statement gives a name to a module, or to what a layer makes of the latest tensor, and the last
//! one returns that. Nothing is run. What is anything else (a loop, a sum, a tensor that is used twice) has no order
//! that this module can tell.
//!
//! ```text
//! up0 = self.up0
//! norm0 = self.norm0
//! _0 = (norm0).forward((up0).forward(x, ), )
//! input = torch.relu(_0)
//! ```

use super::archive::Archive;
use super::constants::MAX_CODE;
use std::collections::HashMap;
use std::io::{Read, Seek};

/// Expressions inside each other, and modules.
const MAX_DEPTH: usize = 32;
/// Statements that are looked at for one network. The largest has some hundred.
const MAX_STATEMENTS: usize = 10_000;
/// Code of one file in all.
const MAX_CODE_IN_ALL: usize = 16 << 20;

/// Something that is done to the tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A module that has no others in it, by its path.
    Module(String),
    /// A function, by the name of the module that does the same, and LeakyReLU's slope.
    Function { class: &'static str, slope: Option<f64> },
}

/// The code of a file's classes.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// The methods of each class, by its full name.
    classes: HashMap<String, String>,
}

impl Code {
    /// Reads the code of these classes, such as `__torch__.torch.nn.modules.container.Sequential`.
    pub(super) fn read<'a>(archive: &mut Archive<impl Read + Seek>, classes: impl Iterator<Item = &'a String>) -> Self {
        let mut code = Code::default();
        let mut left = MAX_CODE_IN_ALL;
        for class in classes {
            let (module, name) = class.rsplit_once('.').unwrap_or(("", class));
            if is_layer(class) || code.classes.contains_key(class) {
                continue;
            }
            let Some(text) = archive.text(&format!("code/{}.py", module.replace('.', "/")), MAX_CODE) else { continue };
            let Some((_, own)) = text.split_once(&format!("class {name}(Module):")) else { continue };
            let own = own.split("\nclass ").next().unwrap_or(own);
            let Some(rest) = left.checked_sub(own.len()) else { break };
            left = rest;
            code.classes.insert(class.clone(), own.to_owned());
        }
        code
    }

    /// What the module at `path` does, step by step, or `None` if it is no chain. `class_of` gives the full name of a
    /// module's class.
    pub(crate) fn steps(&self, path: &str, class_of: &dyn Fn(&str) -> Option<String>) -> Option<Vec<Step>> {
        let mut run = Run { code: self, class_of, steps: Vec::new(), left: MAX_STATEMENTS };
        run.module(path, "forward", 0)?;
        Some(run.steps)
    }
}

/// Whether a class is a layer of `torch.nn`, whose own code says nothing that is not known.
fn is_layer(class: &str) -> bool {
    const LAYERS: [&str; 24] = [
        "Conv2d",
        "ConvTranspose2d",
        "BatchNorm2d",
        "InstanceNorm2d",
        "GroupNorm",
        "LayerNorm",
        "Linear",
        "LeakyReLU",
        "ReLU",
        "ReLU6",
        "PReLU",
        "ELU",
        "SELU",
        "GELU",
        "SiLU",
        "Tanh",
        "Sigmoid",
        "Softplus",
        "Flatten",
        "Identity",
        "Dropout",
        "Dropout2d",
        "Upsample",
        "PixelShuffle",
    ];
    let name = class.strip_prefix("__torch__.torch.nn.").and_then(|class| class.rsplit('.').next());
    name.is_some_and(|name| LAYERS.contains(&name))
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// A module, by its path.
    Module(String),
    /// The tensor after so many steps.
    Tensor(usize),
    /// `torch.nn.functional.leaky_relu`, or a part of such a name.
    Name(String),
    Number(f64),
    Text(String),
    /// `None`, a list, anything that no layer is made from.
    Other,
}

struct Run<'a> {
    code: &'a Code,
    class_of: &'a dyn Fn(&str) -> Option<String>,
    steps: Vec<Step>,
    left: usize,
}

impl Run<'_> {
    /// Applies the module at `path` to the latest tensor.
    fn module(&mut self, path: &str, method: &str, depth: usize) -> Option<()> {
        let class = (self.class_of)(path)?;
        if is_layer(&class) {
            if !class.ends_with(".Identity") {
                self.steps.push(Step::Module(path.to_owned()));
            }
            return Some(());
        }
        if depth == MAX_DEPTH {
            return None;
        }
        let (_, body) = self.code.classes.get(&class)?.split_once(&format!("\n  def {method}("))?;
        let body = body.split("\n  def ").next()?;
        // The arguments, the first being the module and the second the tensor.
        let (arguments, body) = body.split_once(") ->")?;
        let (_, body) = body.split_once(":\n")?;
        let mut arguments = arguments.split(',').map(|argument| argument.split(':').next().unwrap_or("").trim());
        let (own, input) = (arguments.next()?, arguments.next()?);
        let mut names: HashMap<&str, Value> = HashMap::new();
        names.insert(own, Value::Module(path.to_owned()));
        names.insert(input, Value::Tensor(self.steps.len()));
        for statement in statements(body) {
            self.left = self.left.checked_sub(1)?;
            let (target, expression) = match statement.strip_prefix("return ") {
                Some(expression) => (None, expression),
                None => statement.split_once(" = ").map(|(name, expression)| (Some(name), expression))?,
            };
            let mut parser = Parser { text: expression };
            let value = self.evaluate(&parser.whole()?, &names, depth)?;
            let Some(target) = target else { return (value == Value::Tensor(self.steps.len())).then_some(()) };
            if !target.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return None;
            }
            names.insert(target, value);
        }
        None
    }

    /// Evaluates an expression. Returns `None` if it does anything but call layers in sequence.
    fn evaluate(&mut self, expression: &Expression<'_>, names: &HashMap<&str, Value>, depth: usize) -> Option<Value> {
        match expression {
            Expression::Number(number) => Some(Value::Number(*number)),
            Expression::Text(text) => Some(Value::Text((*text).to_owned())),
            Expression::Other => Some(Value::Other),
            Expression::Name(name) => Some(names.get(name).cloned().unwrap_or_else(|| Value::Name((*name).to_owned()))),
            Expression::Attribute(of, name) => match self.evaluate(of, names, depth)? {
                Value::Module(path) if path.is_empty() => Some(Value::Module((*name).to_owned())),
                Value::Module(path) => Some(Value::Module(format!("{path}.{name}"))),
                Value::Name(module) => Some(Value::Name(format!("{module}.{name}"))),
                _ => None,
            },
            Expression::Call(function, arguments) => {
                // The method of a module, or a function of this or that name.
                if let Expression::Attribute(of, method) = &**function
                    && method.starts_with("forward")
                    && let Value::Module(path) = self.evaluate(of, names, depth)?
                {
                    let input = self.evaluate(arguments.first()?, names, depth)?;
                    self.is_latest(&input)?;
                    self.module(&path, method, depth + 1)?;
                    return Some(Value::Tensor(self.steps.len()));
                }
                let Value::Name(name) = self.evaluate(function, names, depth)? else { return None };
                let arguments: Vec<Value> =
                    arguments.iter().map(|argument| self.evaluate(argument, names, depth)).collect::<Option<_>>()?;
                self.call(&name, &arguments)
            }
        }
    }

    /// Returns `None` unless `value` is the output of the last layer.
    fn is_latest(&self, value: &Value) -> Option<()> {
        (*value == Value::Tensor(self.steps.len())).then_some(())
    }

    /// Evaluates a call of `getattr` or of a function of `torch`.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Value> {
        if let ("getattr", [Value::Module(path), Value::Text(name)]) = (name, arguments) {
            let dot = if path.is_empty() { "" } else { "." };
            return Some(Value::Module(format!("{path}{dot}{name}")));
        }
        let function =
            ["torch.", "__torch__.torch.nn.functional."].iter().find_map(|start| name.strip_prefix(start))?;
        self.is_latest(arguments.first()?)?;
        // Functions whose names end so write their result over their input.
        let class = match function.trim_end_matches('_') {
            "relu" => "ReLU",
            "leaky_relu" => "LeakyReLU",
            "tanh" => "Tanh",
            "sigmoid" => "Sigmoid",
            // The same values in another shape.
            "view" | "reshape" | "flatten" | "squeeze" | "unsqueeze" | "contiguous" => {
                return Some(Value::Tensor(self.steps.len()));
            }
            _ => return None,
        };
        let slope = match arguments.get(1) {
            Some(Value::Number(slope)) => Some(*slope),
            _ if class == "LeakyReLU" => return None,
            _ => None,
        };
        self.steps.push(Step::Function { class, slope });
        Some(Value::Tensor(self.steps.len()))
    }
}

/// The statements of a body: lines, or several of them as long as a bracket is open.
fn statements(body: &str) -> impl Iterator<Item = &str> {
    let mut rest = body;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let mut open = 0_i32;
        let end = rest.char_indices().find(|&(_, c)| {
            open += match c {
                '(' | '[' => 1,
                ')' | ']' => -1,
                _ => 0,
            };
            c == '\n' && open <= 0
        });
        let (statement, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = behind;
        (!statement.is_empty()).then(|| statement.trim_end())
    })
}

#[derive(Debug, PartialEq)]
enum Expression<'a> {
    Name(&'a str),
    Number(f64),
    Text(&'a str),
    Attribute(Box<Expression<'a>>, &'a str),
    Call(Box<Expression<'a>>, Vec<Expression<'a>>),
    /// A list.
    Other,
}

struct Parser<'a> {
    text: &'a str,
}

impl<'a> Parser<'a> {
    /// The whole text as an expression.
    fn whole(&mut self) -> Option<Expression<'a>> {
        let expression = self.expression(0)?;
        self.text.trim().is_empty().then_some(expression)
    }

    /// Parses an expression.
    fn expression(&mut self, depth: usize) -> Option<Expression<'a>> {
        if depth == MAX_DEPTH {
            return None;
        }
        let mut expression = match self.peek()? {
            '(' => {
                self.take("(")?;
                let inner = self.expression(depth + 1)?;
                self.take(")")?;
                inner
            }
            '[' => {
                self.take("[")?;
                self.list("]", depth)?;
                Expression::Other
            }
            '"' => {
                self.take("\"")?;
                let end = self.text.find('"')?;
                let text = &self.text[..end];
                self.text = &self.text[end + 1..];
                Expression::Text(text)
            }
            '-' | '0'..='9' | '.' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
                let number = self.word(is_part)?;
                Expression::Number(number.parse().ok()?)
            }
            _ => match self.name()? {
                "None" | "True" | "False" => Expression::Other,
                name => Expression::Name(name),
            },
        };
        loop {
            match self.peek() {
                Some('.') => {
                    self.take(".")?;
                    expression = Expression::Attribute(Box::new(expression), self.name()?);
                }
                Some('(') => {
                    self.take("(")?;
                    expression = Expression::Call(Box::new(expression), self.list(")", depth)?);
                }
                _ => return Some(expression),
            }
        }
    }

    /// Expressions with commas between them, and perhaps behind the last, up to `end`.
    fn list(&mut self, end: &str, depth: usize) -> Option<Vec<Expression<'a>>> {
        let mut list = Vec::new();
        loop {
            if self.take(end).is_some() {
                return Some(list);
            }
            list.push(self.expression(depth + 1)?);
            if self.take(",").is_none() {
                self.take(end)?;
                return Some(list);
            }
        }
    }

    /// Returns the next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        self.text = self.text.trim_start();
        self.text.chars().next()
    }

    /// Skips white space and this text, if it comes next.
    fn take(&mut self, what: &str) -> Option<()> {
        self.text = self.text.trim_start().strip_prefix(what)?;
        Some(())
    }

    /// Parses a name.
    fn name(&mut self) -> Option<&'a str> {
        self.text = self.text.trim_start();
        self.word(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Parses one or more characters for which `is_part` is true.
    fn word(&mut self, is_part: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.text.find(|c| !is_part(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [(&str, &str); 5] = [
        ("", "__torch__.Named"),
        ("up0", "__torch__.torch.nn.modules.conv.ConvTranspose2d"),
        ("norm0", "__torch__.torch.nn.modules.batchnorm.BatchNorm2d"),
        ("body", "__torch__.torch.nn.modules.container.Sequential"),
        ("body.0", "__torch__.torch.nn.modules.activation.Tanh"),
    ];

    fn steps(body: &str) -> Option<Vec<Step>> {
        let forward =
            format!("\n  training : bool\n  def forward(self: __torch__.Named,\n    x: Tensor) -> Tensor:\n{body}\n");
        let sequential = concat!(
            "\n  def forward(s: __torch__.torch.nn.modules.container.Sequential,\n",
            "    input: Tensor) -> Tensor:\n",
            "    _0 = getattr(s, \"0\")\n",
            "    return (_0).forward(input, )\n",
            "  def __len__(s: A) -> int:\n",
            "    return 1\n",
        );
        let classes = [(CLASSES[0].1, forward), (CLASSES[3].1, sequential.to_owned())];
        let code = Code { classes: classes.into_iter().map(|(name, text)| (name.to_owned(), text)).collect() };
        let class_of =
            |path: &str| CLASSES.iter().find(|(known, _)| *known == path).map(|(_, class)| (*class).to_owned());
        code.steps("", &class_of)
    }

    fn module(path: &str) -> Step {
        Step::Module(path.to_owned())
    }

    #[test]
    fn a_chain_is_followed_through_functions_and_modules() {
        let chain = [
            module("up0"),
            module("norm0"),
            Step::Function { class: "ReLU", slope: None },
            Step::Function { class: "LeakyReLU", slope: Some(0.2) },
            module("body.0"),
        ];
        let traced = concat!(
            "    body = self.body\n",
            "    norm0 = self.norm0\n",
            "    up0 = self.up0\n",
            "    _0 = (norm0).forward((up0).forward(x, ), )\n",
            "    input = torch.relu_(_0)\n",
            "    input0 = torch.leaky_relu(input, 0.20000000000000001)\n",
            "    return (body).forward(input0, )\n",
        );
        assert_eq!(steps(traced).unwrap(), chain);
        let scripted = concat!(
            "    z = torch.view(x, [-1, 4, 1, 1])\n",
            "    _0 = __torch__.torch.nn.functional.leaky_relu\n",
            "    x0 = (self.up0).forward(z, None, )\n",
            "    x1 = (self.norm0).forward(\n",
            "      x0,\n",
            "    )\n",
            "    x2 = __torch__.torch.nn.functional.relu(x1, True, )\n",
            "    x3 = _0(x2, 0.2, False, )\n",
            "    _1 = torch.flatten((self.body).forward(x3, ), 1)\n",
            "    return _1\n",
        );
        assert_eq!(steps(scripted).unwrap(), chain);
    }

    #[test]
    fn what_is_no_chain_has_no_order() {
        for body in [
            // The same tensor twice, a sum, a loop, an unknown function, a module that is not there, no return,
            // nonsense.
            "    a = (self.up0).forward(x, )\n    b = (self.norm0).forward(x, )\n    return b\n",
            "    a = (self.up0).forward(x, )\n    b = torch.relu(a)\n    return a\n",
            "    a = (self.up0).forward(x, )\n    return torch.add(a, a, alpha=1)\n",
            "    for i in range(3):\n      pass\n    return x\n",
            "    return torch.softmax(x, 1)\n",
            "    return (self.down).forward(x, )\n",
            "    a = (self.up0).forward(x, )\n",
            "    a, b = torch.chunk(x, 2)\n    return a\n",
            "    return torch.leaky_relu(x, slope)\n",
            "    return (((((\n",
            "    return \"\n",
            "",
        ] {
            assert_eq!(steps(body), None, "{body}");
        }
        let deep = format!("    return {}x{}\n", "torch.relu(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(steps(&deep), None);
        let long = format!("{}    return x\n", "    a = self.up0\n".repeat(MAX_STATEMENTS));
        assert_eq!(steps(&long), None);
    }
}
