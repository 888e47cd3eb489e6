"""Names for a believable business. Nothing here is a rule; every list may grow."""

from __future__ import annotations

ALIASES = ("demo-north", "demo-south", "demo-east", "demo-west", "demo-harbour", "demo-hill", "demo-lake", "demo-field")

QUEUES = (
    "Billing",
    "Sales",
    "Card Loss",
    "Überweisungen",
    "Technical Support",
    "Customer Care",
    "Bookings",
    "Refunds & Returns",
    "Claims",
    "Baggage",
    "VIP",
    "Overflow",
    "Mortgages",
    "Réclamations",
    "Loyalty Programme",
    "Fraud Desk",
    "New Accounts",
    "Onboarding",
    "Order Status",
    "Check-in Help",
    "Collections",
    "Complaints",
    "Cancellations",
    "Gift Cards",
    "Store Enquiries",
    "Password Reset",
    "Insurance",
    "Group Travel",
    "Atención al Cliente",
    "Schadensmeldung",
    "Business Banking",
    "Payments",
    "Delivery Changes",
    "Warranty",
    "Web Shop",
    "Special Assistance",
    "Upgrades",
    "Investments",
    "Pensions",
    "Marketplace Sellers",
)
LANGUAGES = ("", " EN", " DE", " FR", " ES", " IT", " PL", " NL", " PT", " 日本語")
TEAMS = (
    "Retail",
    "Service",
    "Travel",
    "Banking",
    "Support",
    "Claims",
    "Premium",
    "Corporate",
    "Web",
    "Night",
    "Store",
    "Partner",
    "Market",
    "Care",
    "Desk",
    "Field",
)
CUSTOM_STATUSES = ("Break", "Lunch", "Training", "Meeting", "Coaching", "Back Office")

UTC_OFFSETS = {
    "us-east-1": -5,
    "us-west-2": -8,
    "ca-central-1": -5,
    "eu-west-2": 0,
    "eu-central-1": 1,
    "af-south-1": 2,
    "ap-southeast-1": 8,
    "ap-southeast-2": 10,
    "ap-northeast-1": 9,
    "ap-northeast-2": 9,
    "us-gov-west-1": -8,
}
"""Hours the people of an instance are ahead of UTC: when their day is busy. Any other region: 0."""


def queue_name(number: int) -> str:
    """A name for the queue of this number; no two numbers share one."""
    round_, place = divmod(number, len(QUEUES))
    suffix = LANGUAGES[round_] if round_ < len(LANGUAGES) else f" {round_}"
    return QUEUES[place] + suffix


def team_name(number: int) -> str:
    """A name for the team of this number; no two numbers share one."""
    round_, place = divmod(number, len(TEAMS))
    return TEAMS[place] + (f" {round_ + 1}" if round_ else "")
