"""Print how the examples of published policies come out: ``python -m tests.policies``."""

from tests.support.policies import table


def main() -> None:
    counts, said = table()
    print(f"{'kind':<14}{'passed':>8}{'failed':>8}{'out of scope':>14}")
    for kind, row in counts.items():
        print(f"{kind:<14}{row['passed']:>8}{row['failed']:>8}{row['out of scope']:>14}")
    for sentence in said:
        print(sentence)


if __name__ == "__main__":
    main()
