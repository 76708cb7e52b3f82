# What a shopper reads. One file for each language, all with the same messages; `cargo test words` holds them
# against each other. { $n } is a count, { $at } a time, { $left } a time that is left.

# The sale, before joining
status-scheduled = Not started
status-open = Open
status-paused = Paused
status-sold-out = Sold out
status-closed = Closed
starts-on = Starts on { $at }.
join-before-start = You can take your place now. The line begins to move at the start.
start-not-set = This sale has not started. Its start time is not set yet.
join-before-open = You can take your place now. The line begins to move when the sale opens.
no-units = No units are on offer at the moment.
sale-open = The sale is open. Join the line and we show your place live.
sale-paused = The sale is paused. Nobody is let in at the moment.
join-while-paused = You can still join. Your place is kept and the line moves on when the sale resumes.
sale-sold-out = Every unit has been sold. This sale takes no more people.
sale-closed = This sale has ended. It takes no more people.
join = Join the line
join-help = Everyone is served in the order of joining. You may close this page and come back in this browser: your place is kept.
all-held = All units are being checked out.
return-from = Some may come back from { $at }.
return-some = Some may come back.
available = Available
held = In checkout
sold = Sold

# In line
from-seller = From the seller:
paused = The sale is paused.
paused-help = Nobody is let in at the moment. Your place is kept.
in-line = You are in line
place-taken = Your place is taken. There is nothing to do until the start: this page then shows where you are.
waiting = Waiting in line
your-place = Your place in line
in-front = In front of you
behind = Behind you
wait = Estimated wait
chance = Your chance
chance-certain = certain
chance-very-likely = very likely
chance-likely = likely
chance-even = about even
chance-unlikely = unlikely
chance-very-unlikely = very unlikely
chance-none = no realistic chance
chance-over = over { $p }
chance-under = under { $p }
under-a-minute = less than a minute
minutes =
    { $n ->
        [one] { $range } minute
       *[other] { $range } minutes
    }
hours =
    { $n ->
        [one] { $range } hour
       *[other] { $range } hours
    }
days =
    { $n ->
        [one] { $n } day
       *[other] { $n } days
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date } at { $time }
live = Live
news-old =
    { $n ->
        [one] Last news { $n } second ago. Your place is kept while we reconnect.
       *[other] Last news { $n } seconds ago. Your place is kept while we reconnect.
    }
alert-me = Alert me when it is my turn
late-paused = The wait is longer than it was: the sale was paused for a while.
late-all-held = The wait is longer than it was: all units were being checked out, and came back late.
late-checkout-full = The wait is longer than it was: the checkout is full, and the next are let in as others finish.
late-pace = The wait is longer than it was: the seller changed how fast people are let in.
late-outage = The wait is longer than it was: the line was restored after an outage, with everyone at their place.
late-slower = The wait is longer than it was: people in front take longer than before.
hopeless = More people in front of you are likely to buy than units are left. You can stay: what is not bought goes to the next in line. Or leave now, and spare yourself the wait.
numbers = Where these numbers come from
numbers-help = The wait: how fast people were let in during the last minutes of this sale. The chance: how likely it is that fewer of the people in front buy than units are left, from how many of this sale’s checkouts so far ended in a purchase.
leave = Leave the line
leave-help = Your place is then gone for good. A new ticket starts at the end of the line.
leave-yes = Yes, give up my place

# Going on on another device
move = Continue on another device
move-help = You get a link and a QR code for it. Your place stays the same; this device then no longer has it.
move-make = Make a link
move-link = Point its camera here. The link works once, until { $at }; whoever opens it gets your place.
qr = QR code of the link below
moved = This place was moved to another device
moved-help = It is shown there now, and this device cannot use it any more. To bring it back, press “Continue on another device” there.
take = Continue on this device?
take-help = Your place in line comes here. The other device then no longer has it.
take-yes = Yes, continue here
take-warning = Did somebody else send you this link? It gives you their place. You can close this page; then nothing changes.

# The turn, and how a ticket ends
turn = It is your turn
turn-title = Your turn
held-until = A unit is held for you until { $at }.
go-checkout = Go to checkout
no-checkout-address = Your unit is kept for you until { $at }. The shop has not told us its checkout address. Open the shop’s page in another tab and keep this one open.
if-late = If you do not buy in time, the unit is no longer held for you.
yours = It is yours
order-confirmed = Your order is confirmed. Unit { $unit } is sold to you.
order = Order
open-receipt = Open the receipt
expired = Your time to check out has ended
expired-help = A unit was held for you until { $at }.
released = You gave your unit back
released-help = The unit is no longer held for you.
sold-out = Sold out
sold-out-help = Every unit has been sold, so the line has ended. Thank you for waiting.
closed = The sale has ended
closed-help = The seller closed this sale before it was your turn.
left = You left the line
left-help = Your place went to the people behind you.
removed = You were taken out of the line
removed-help = The seller removed this ticket. If you think that this is a mistake, please ask the shop.
join-again = Join again
join-again-help = You get a new ticket, at the end of the line.

# Spoken by screen readers
say-scheduled = You are in line. The sale has not started.
say-waiting = You are number { $position } in line.
say-admitted = It is your turn. You have { $left } to check out.
say-confirmed = Your order is confirmed.
say-minute = You have one minute left.
say-over = Your time is up. It may still work for a few seconds.

# The checkout and the receipt
checkout = Checkout
unit-held = Unit { $unit } is held for you
buy-before = Buy before { $at }. After that the unit is no longer held for you.
over = Your time is up.
over-help = For a few seconds more it may still work: press Buy now and we will try.
reference = Payment reference
optional = (optional)
reference-help = Printed on your receipt, up to 200 characters.
reference-bad = Use up to 200 characters.
buy = Buy now
not-wanted = I do not want it
not-wanted-help = The unit is then no longer held for you. This cannot be undone.
give-back = Give it back
unknown-outcome = We do not know yet whether that went through. Press Buy now again: you will not be charged twice.
receipt = Receipt
receipt-help = Your order is confirmed and safely recorded.
sale = Sale
unit = Unit
confirmed-at = Confirmed
keep = Keep this page: print it, save it or write the order down. The order is your proof when you talk to the shop.

# The foot of a page
in-utc = Times are in UTC.
refreshes = This page refreshes itself every 10 seconds.
left-as-opened = The time left is as of when this page was opened.
language = Language
change = Change

# Ways to say no
nothing-here = There is nothing here
nothing-here-help = Please check the address, or start again from the page of the shop that sent you here.
too-many = Too many requests
too-many-help = More requests came from your connection than we take at a time.
line-full = The line is as long as it may get
line-full-help = Please come back a little later.
away = Come back in a moment
away-help = A part of this site does not answer just now. If you are in line, your place is kept.
not-known = The outcome is not known
not-known-help = It may have been done or not. Please look at the waiting room, then try again.
our-fault = Something went wrong here
our-fault-help = The fault is ours and was written down.
link-ended = This link has ended
link-ended-help = It was used already, or it is too old. Make a new one on the device that has the place.
already-in-line = This browser has a place already
already-in-line-help = One browser holds one place in a sale. Leave the line here first, then open the link again.
changed = This is not possible any more
changed-help = Something has changed in the meantime. The waiting room shows how things are now.
cookies-off = This browser keeps no cookies for this site
cookies-off-help = This site knows your place by a cookie. Nothing was changed: allow cookies for this site, then open this page again.
other-site = This request did not come from this site
other-site-help = Please open the sale again from the page of the shop. If it goes wrong again, the shop is not set up right: please tell the shop.
not-taken = This request could not be taken
not-taken-help = Please go back to the waiting room and try again from there.
retry-seconds =
    { $n ->
        [one] Please try again in { $n } second.
       *[other] Please try again in { $n } seconds.
    }
retry-minutes =
    { $n ->
        [one] Please try again in { $n } minute.
       *[other] Please try again in { $n } minutes.
    }
back = Back to the waiting room
