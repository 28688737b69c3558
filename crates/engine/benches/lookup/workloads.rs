//! Prompts of six kinds, from what repeats itself most to what does so least.

/// A conversation of one turn.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) prompt: String,
    pub(crate) temperature: f32,
}

pub(crate) fn all() -> Vec<Workload> {
    let greedy = |name, prompt: String| Workload { name, prompt, temperature: 0.0 };
    vec![
        greedy(
            "code editing",
            format!(
                "Rename the class Ledger to Journal and the method balance to total in this file. \
                 Return the whole file and nothing else.\n\n```python\n{PROGRAM}```"
            ),
        ),
        greedy(
            "data to JSON",
            format!(
                "Turn this table into a JSON array of objects with the keys name, city and year. \
                 Return the JSON alone.\n\n{TABLE}"
            ),
        ),
        greedy(
            "summary",
            format!("Summarize this text in about five sentences.\n\n{ARTICLE}"),
        ),
        greedy(
            "new code",
            "Write a Python class for a bounded queue with the methods put, get and peek, and tests \
             for it with unittest."
                .to_owned(),
        ),
        greedy(
            "explanation",
            "What is a mutex, and when should a condition variable be used with it?".to_owned(),
        ),
        Workload {
            name: "story",
            prompt: "Tell a story about the keeper of a lighthouse who finds a letter.".to_owned(),
            temperature: 0.8,
        },
    ]
}

const PROGRAM: &str = r#"from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass
class Entry:
    day: date
    account: str
    amount: Decimal
    note: str = ""


@dataclass
class Ledger:
    entries: list[Entry] = field(default_factory=list)

    def add(self, day, account, amount, note=""):
        if not account:
            raise ValueError("an entry needs an account")
        entry = Entry(day, account, Decimal(amount), note)
        self.entries.append(entry)
        return entry

    def balance(self, account):
        return sum((e.amount for e in self.entries if e.account == account), Decimal(0))

    def accounts(self):
        return sorted({e.account for e in self.entries})

    def report(self):
        lines = []
        for account in self.accounts():
            lines.append(f"{account:20} {self.balance(account):>12}")
        return "\n".join(lines)


def main():
    ledger = Ledger()
    ledger.add(date(2024, 1, 3), "rent", "-850.00")
    ledger.add(date(2024, 1, 5), "salary", "2400.00")
    ledger.add(date(2024, 1, 9), "food", "-61.35", note="market")
    print(ledger.report())
    print("left:", sum(ledger.balance(a) for a in ledger.accounts()))


if __name__ == "__main__":
    main()
"#;

const TABLE: &str = "name | city | year
Old Mill Bridge | Kaunas | 1891
Harbour Hall | Bergen | 1923
Station North | Graz | 1906
Glass Court | Porto | 1934
River Theatre | Ghent | 1878
Tower of Winds | Lucca | 1912
Library Wing | Tartu | 1955
Market Arcade | Bilbao | 1899
";

const ARTICLE: &str = "Tides are the rise and fall of the sea that the Moon and the Sun bring \
about. The Moon pulls a little harder on the water of the near side of the Earth than on the Earth \
as a whole, and a little less on the water of the far side; so two bulges arise, and the Earth turns \
beneath them. Most coasts therefore see two high waters a day, about twelve hours and twenty-five \
minutes apart, since the Moon has moved on in the meantime. When Sun and Moon stand in line, at new \
and at full moon, their effects add up to spring tides; when they stand at right angles the smaller \
neap tides follow. How high the water rises depends far more on the shape of the coast than on the \
sky. In a bay whose natural period of oscillation is close to that of the tide the water swings up \
higher with every turn: in the Bay of Fundy the difference reaches sixteen metres, while the Baltic \
and the Mediterranean hardly notice. Tidal currents move sand and mud, shape estuaries and carry \
nutrients. Mills have used them since the Middle Ages, a basin that filled at high water driving the \
wheel for hours after; a modern power station at the mouth of the Rance in Brittany has worked in \
the same manner since 1966. Tides also cost the Earth some of its spin. Friction on the sea floor \
slows its rotation by about two milliseconds per century, and the Moon, which gains what the Earth \
loses, moves away from us by almost four centimetres every year.";
