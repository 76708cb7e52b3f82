# The sale, before joining
status-scheduled = Pas encore commencée
status-open = Ouverte
status-paused = En pause
status-sold-out = Épuisée
status-closed = Terminée
starts-on = Début : { $at }.
join-before-start = Vous pouvez prendre votre place dès maintenant. La file avancera au début de la vente.
start-not-set = La vente n’a pas commencé. L’heure de début n’est pas encore fixée.
join-before-open = Vous pouvez prendre votre place dès maintenant. La file avancera à l’ouverture de la vente.
no-units = Aucun article n’est proposé pour le moment.
sale-open = La vente est ouverte. Rejoignez la file et suivez votre place en direct.
sale-paused = La vente est en pause. Personne ne passe pour le moment.
join-while-paused = Vous pouvez tout de même rejoindre la file. Votre place est gardée et la file avancera à la reprise.
sale-sold-out = Tous les articles ont été vendus. La file n’accepte plus personne.
sale-closed = Cette vente est terminée. La file n’accepte plus personne.
join = Rejoindre la file
join-help = Chacun passe dans l’ordre d’arrivée. Vous pouvez fermer cette page et revenir dans ce navigateur : votre place est gardée.
all-held = Tous les articles sont en cours d’achat.
return-from = Certains peuvent revenir à partir de { $at }.
return-some = Certains peuvent encore revenir.
available = Disponibles
held = En cours d’achat
sold = Vendus

# In line
from-seller = Message de la boutique :
paused = La vente est en pause.
paused-help = Personne ne passe pour le moment. Votre place est gardée.
in-line = Vous êtes dans la file
place-taken = Votre place est prise. Il n’y a rien à faire avant le début : cette page vous montrera ensuite où vous en êtes.
waiting = Personnes dans la file
your-place = Votre place dans la file
in-front = Devant vous
behind = Derrière vous
wait = Attente estimée
chance = Vos chances
chance-certain = certain
chance-very-likely = très probable
chance-likely = probable
chance-even = environ une chance sur deux
chance-unlikely = peu probable
chance-very-unlikely = très peu probable
chance-none = aucune chance réaliste
chance-over = plus de { $p }
chance-under = moins de { $p }
under-a-minute = moins d’une minute
minutes =
    { $n ->
        [one] { $range } minute
        [many] { $range } de minutes
       *[other] { $range } minutes
    }
hours =
    { $n ->
        [one] { $range } heure
        [many] { $range } de heures
       *[other] { $range } heures
    }
days =
    { $n ->
        [one] { $n } jour
        [many] { $n } de jours
       *[other] { $n } jours
    }
range = { $low }–{ $high }
percent = { $n } %
day-time = { $date } à { $time }
live = En direct
news-old =
    { $n ->
        [one] Dernières nouvelles il y a { $n } seconde. Votre place est gardée pendant la reconnexion.
        [many] Dernières nouvelles il y a { $n } de secondes. Votre place est gardée pendant la reconnexion.
       *[other] Dernières nouvelles il y a { $n } secondes. Votre place est gardée pendant la reconnexion.
    }
alert-me = M’avertir quand c’est mon tour
late-paused = L’attente s’est allongée : la vente a été en pause un moment.
late-all-held = L’attente s’est allongée : tous les articles étaient en cours d’achat et sont revenus tard.
late-checkout-full = L’attente s’est allongée : la caisse est pleine, et les suivants passent à mesure que d’autres terminent.
late-pace = L’attente s’est allongée : la boutique a changé le rythme des passages.
late-outage = L’attente s’est allongée : la file a été rétablie après une panne, chacun à sa place.
late-slower = L’attente s’est allongée : les personnes devant vous prennent plus de temps qu’avant.
hopeless = Les personnes devant vous achèteront probablement plus d’articles qu’il n’en reste. Vous pouvez rester : ce qui n’est pas acheté va à la personne suivante. Ou quittez la file maintenant pour vous épargner l’attente.
numbers = D’où viennent ces chiffres
numbers-help = L’attente : la vitesse des passages pendant les dernières minutes de cette vente. Les chances : la probabilité que moins de personnes devant vous achètent qu’il ne reste d’articles, d’après la part des passages en caisse de cette vente qui ont abouti à un achat.
leave = Quitter la file
leave-help = Votre place sera alors perdue pour de bon. Il faudrait recommencer à la fin de la file.
leave-yes = Oui, abandonner ma place

# Going on on another device
move = Continuer sur un autre appareil
move-help = Vous obtenez un lien et son code QR. Votre place reste la même ; cet appareil ne l’a alors plus.
move-make = Créer un lien
move-link = Pointez l’appareil photo de l’autre appareil ici. Le lien fonctionne une fois, jusqu’à { $at } ; la personne qui l’ouvre obtient votre place.
qr = Code QR du lien ci-dessous
moved = Cette place est passée sur un autre appareil
moved-help = Elle s’affiche maintenant là-bas et cet appareil ne peut plus l’utiliser. Pour la reprendre, appuyez là-bas sur « Continuer sur un autre appareil ».
take = Continuer sur cet appareil ?
take-help = Votre place dans la file vient ici. L’autre appareil ne l’a alors plus.
take-yes = Oui, continuer ici
take-warning = Quelqu’un d’autre vous a envoyé ce lien ? Il vous donne sa place. Vous pouvez fermer cette page ; alors rien ne change.

# The turn, and how a ticket ends
turn = C’est votre tour
turn-title = À vous
held-until = Un article vous est réservé jusqu’à { $at }.
go-checkout = Passer à la caisse
no-checkout-address = Votre article vous est réservé jusqu’à { $at }. La boutique ne nous a pas indiqué l’adresse de sa caisse. Ouvrez la page de la boutique dans un autre onglet et gardez celui-ci ouvert.
if-late = Si vous n’achetez pas à temps, l’article ne vous est plus réservé.
yours = Il est à vous
order-confirmed = Votre commande est confirmée. L’article { $unit } vous est vendu.
order = Commande
open-receipt = Ouvrir le reçu
expired = Votre temps pour acheter est écoulé
expired-help = Un article vous était réservé jusqu’à { $at }.
released = Vous avez rendu votre article
released-help = L’article ne vous est plus réservé.
sold-out = Tout est vendu
sold-out-help = Tous les articles ont été vendus et la file est terminée. Merci d’avoir patienté.
closed = La vente est terminée
closed-help = La boutique a clos cette vente avant que ce soit votre tour.
left = Vous avez quitté la file
left-help = Votre place est allée aux personnes derrière vous.
removed = Vous avez été retiré de la file
removed-help = La boutique a retiré ce ticket. Si vous pensez que c’est une erreur, contactez-la.
join-again = Rejoindre à nouveau
join-again-help = Vous recevez un nouveau ticket, à la fin de la file.

# Spoken by screen readers
say-scheduled = Vous êtes dans la file. La vente n’a pas commencé.
say-waiting = Vous êtes à la place { $position }.
say-admitted = C’est votre tour. Vous avez { $left } pour acheter.
say-confirmed = Votre commande est confirmée.
say-minute = Il vous reste une minute.
say-over = Votre temps est écoulé. Cela peut encore marcher pendant quelques secondes.

# The checkout and the receipt
checkout = Caisse
unit-held = L’article { $unit } vous est réservé
buy-before = Achetez avant { $at }. Ensuite, l’article ne vous est plus réservé.
over = Votre temps est écoulé.
over-help = Cela peut encore marcher pendant quelques secondes : appuyez sur « Acheter » et nous essaierons.
reference = Référence de paiement
optional = (facultatif)
reference-help = Figure sur votre reçu, 200 caractères au plus.
reference-bad = 200 caractères au plus, s’il vous plaît.
buy = Acheter
not-wanted = Je n’en veux pas
not-wanted-help = L’article ne vous est alors plus réservé. Ce choix est définitif.
give-back = Rendre l’article
unknown-outcome = Nous ne savons pas encore si cela a réussi. Appuyez de nouveau sur « Acheter » : vous ne serez pas débité deux fois.
receipt = Reçu
receipt-help = Votre commande est confirmée et bien enregistrée.
sale = Vente
unit = Article
confirmed-at = Confirmée
keep = Gardez cette page : imprimez-la, enregistrez-la ou notez la commande. C’est votre preuve auprès de la boutique.

# The foot of a page
in-utc = Les heures sont en UTC.
refreshes = Cette page s’actualise toutes les 10 secondes.
left-as-opened = Le temps restant est celui de l’ouverture de la page.
language = Langue
change = Changer

# Ways to say no
nothing-here = Il n’y a rien ici
nothing-here-help = Vérifiez l’adresse, ou repartez de la page de la boutique qui vous a envoyé ici.
too-many = Trop de demandes
too-many-help = Votre connexion a envoyé plus de demandes que nous n’en acceptons à la fois.
line-full = La file est pleine
line-full-help = Revenez un peu plus tard, s’il vous plaît.
away = Revenez dans un instant
away-help = Une partie de ce site ne répond pas. Si vous êtes dans la file, votre place est gardée.
not-known = Le résultat n’est pas connu
not-known-help = Cela a peut-être réussi, peut-être pas. Regardez la salle d’attente, puis réessayez.
our-fault = Un problème est survenu
our-fault-help = La faute est de notre côté et a été consignée.
link-ended = Ce lien n’est plus valable
link-ended-help = Il a déjà servi ou il est trop ancien. Créez-en un nouveau sur l’appareil qui a la place.
already-in-line = Ce navigateur a déjà une place
already-in-line-help = Un navigateur a une seule place par vente. Quittez d’abord la file ici, puis ouvrez de nouveau le lien.
changed = Ce n’est plus possible
changed-help = Quelque chose a changé entre-temps. La salle d’attente montre la situation actuelle.
cookies-off = Ce navigateur ne garde pas les cookies de ce site
cookies-off-help = Un cookie permet à ce site de reconnaître votre place. Rien n’a été changé : autorisez les cookies de ce site, puis rouvrez cette page.
other-site = Cette demande ne venait pas de ce site
other-site-help = Rouvrez la vente depuis la page de la boutique. Si cela échoue encore, la boutique est mal configurée : merci de la prévenir.
not-taken = Cette demande n’a pas pu être acceptée
not-taken-help = Retournez à la salle d’attente et réessayez de là.
retry-seconds =
    { $n ->
        [one] Veuillez réessayer dans { $n } seconde.
        [many] Veuillez réessayer dans { $n } de secondes.
       *[other] Veuillez réessayer dans { $n } secondes.
    }
retry-minutes =
    { $n ->
        [one] Veuillez réessayer dans { $n } minute.
        [many] Veuillez réessayer dans { $n } de minutes.
       *[other] Veuillez réessayer dans { $n } minutes.
    }
back = Retour à la salle d’attente
